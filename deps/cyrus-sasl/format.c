/* SPDX-License-Identifier: 0BSD */
/*
 * What libsasl2 would take from stdio and the resolver; config.h renames its calls to these, so that
 * a program which prints nothing and looks up no host names need not carry them.
 *
 * snprintf knows %s %.*s %c %d %i %u %lu %x %X %o %%, and leading zeros of %x (%08x). printf is used to list
 * plugins on a terminal, which nobody asks for. Host names are never looked up: the server gives
 * its own name to sasl_server_new() and sets no address properties.
 */
#include <netdb.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

int satchel_sasl_snprintf(char *out, size_t size, const char *format, ...);
int satchel_sasl_sprintf(char *out, const char *format, ...);
int satchel_sasl_printf(const char *format, ...);
int satchel_sasl_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
	struct addrinfo **list_r);
void satchel_sasl_freeaddrinfo(struct addrinfo *list);

int satchel_sasl_printf(const char *format, ...)
{
	(void)format;
	return 0;
}

int satchel_sasl_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
	struct addrinfo **list_r)
{
	(void)host;
	(void)service;
	(void)hints;
	*list_r = NULL;
	return EAI_FAIL;
}

void satchel_sasl_freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

struct sink {
	char *out;
	size_t size, used;
};

static void put(struct sink *s, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++, s->used++) {
		if (s->used + 1 < s->size)
			s->out[s->used] = bytes[i];
	}
}

static void put_number(struct sink *s, unsigned long value, unsigned base, const char *digits,
	unsigned width)
{
	char text[sizeof(value) * 8];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[value % base];
		value /= base;
	} while (value);
	while (sizeof(text) - at < width && at)
		text[--at] = '0';
	put(s, text + at, sizeof(text) - at);
}

static void put_signed(struct sink *s, long value)
{
	if (value < 0)
		put(s, "-", 1);
	put_number(s, value < 0 ? 0 - (unsigned long)value : (unsigned long)value, 10, "0123456789", 0);
}

static unsigned long take_unsigned(va_list *ap, int is_long)
{
	return is_long ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned);
}

/* One conversion; `format` stands behind the %. Returns where the text goes on. */
static const char *convert(struct sink *s, const char *format, va_list *ap)
{
	const char *text;
	size_t limit = (size_t)-1;
	unsigned width = 0;
	int is_long = 0;
	char c;

	if (format[0] == '.' && format[1] == '*') {
		limit = (size_t)va_arg(*ap, int);
		format += 2;
	}
	for (; *format >= '0' && *format <= '9'; format++)
		width = width * 10 + (unsigned)(*format - '0');
	for (; *format == 'l'; format++)
		is_long = 1;
	switch (*format) {
	case 's':
		text = va_arg(*ap, const char *);
		text = text ? text : "";
		put(s, text, strnlen(text, limit));
		break;
	case 'c':
		c = (char)va_arg(*ap, int);
		put(s, &c, 1);
		break;
	case 'd':
	case 'i':
		put_signed(s, is_long ? va_arg(*ap, long) : va_arg(*ap, int));
		break;
	case 'u':
		put_number(s, take_unsigned(ap, is_long), 10, "0123456789", 0);
		break;
	case 'o':
		put_number(s, take_unsigned(ap, is_long), 8, "01234567", 0);
		break;
	case 'x':
		put_number(s, take_unsigned(ap, is_long), 16, "0123456789abcdef", width);
		break;
	case 'X':
		put_number(s, take_unsigned(ap, is_long), 16, "0123456789ABCDEF", width);
		break;
	case '\0':
		return format;
	default:
		put(s, format, 1);
	}
	return format + 1;
}

static void format_all(struct sink *s, const char *format, va_list *ap)
{
	while (*format) {
		if (*format == '%')
			format = convert(s, format + 1, ap);
		else
			put(s, format++, 1);
	}
	if (s->size)
		s->out[s->used < s->size ? s->used : s->size - 1] = '\0';
}

int satchel_sasl_snprintf(char *out, size_t size, const char *format, ...)
{
	struct sink s = {out, size, 0};
	va_list ap;

	va_start(ap, format);
	format_all(&s, format, &ap);
	va_end(ap);
	return (int)s.used;
}

/* The library has measured what it formats without a bound. */
int satchel_sasl_sprintf(char *out, const char *format, ...)
{
	struct sink s = {out, (size_t)-1, 0};
	va_list ap;

	va_start(ap, format);
	format_all(&s, format, &ap);
	va_end(ap);
	return (int)s.used;
}
