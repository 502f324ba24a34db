/* SPDX-License-Identifier: 0BSD */
#include "core/auth/user_password.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/auth/users.h"
#include "core/lib/file.h"
#include "core/lib/text.h"

enum { KEY_INTERRUPT = 3, KEY_END = 4, KEY_BACKSPACE = 8, KEY_KILL_LINE = 21, KEY_QUIT = 28,
	KEY_DELETE = 127 };

static int say(struct buf *error_r, const char *text)
{
	buf_adds(error_r, text);
	return -1;
}

/* One byte of standard input: 1, 0 at the end, -1. */
static int read_byte(char *c)
{
	ssize_t n;

	do
		n = read(STDIN_FILENO, c, 1);
	while (n < 0 && errno == EINTR);
	return (int)n;
}

static void drop_last(struct buf *b)
{
	/* A whole UTF-8 character: its continuation bytes first. */
	while (b->len && ((unsigned char)b->data[b->off + b->len - 1] & 0xc0) == 0x80)
		b->len--;
	if (b->len)
		b->len--;
}

/* The terminal hands over each key as it is, so that an interrupt never leaves it without echo. */
static int type_line(struct buf *out, struct buf *error_r)
{
	for (;;) {
		char c;
		int n = read_byte(&c);

		if (n <= 0 || c == KEY_INTERRUPT || c == KEY_QUIT || (c == KEY_END && !out->len))
			return say(error_r, "no password was given");
		if (c == '\n' || c == '\r')
			return 0;
		if (c == KEY_BACKSPACE || c == KEY_DELETE)
			drop_last(out);
		else if (c == KEY_KILL_LINE)
			out->len = 0;
		else if (buf_addc(out, c))
			return say(error_r, "the password is too long");
	}
}

static int ask_once(const char *prompt, struct buf *out, struct buf *error_r)
{
	struct termios before, quiet;
	int rc;

	if (tcgetattr(STDIN_FILENO, &before))
		return say(error_r, "the terminal does not answer");
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
	quiet.c_cc[VMIN] = 1;
	quiet.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet))
		return say(error_r, "the terminal does not answer");
	(void)file_write_all(STDERR_FILENO, str_from(prompt));
	rc = type_line(out, error_r);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	(void)file_write_all(STDERR_FILENO, STR("\n"));
	return rc;
}

static int ask_twice(struct buf *out, struct buf *error_r)
{
	struct buf again = {.max = out->max};
	int rc = ask_once("Password: ", out, error_r);

	if (!rc)
		rc = ask_once("Password again: ", &again, error_r);
	if (!rc && !text_equal_secret(buf_str(out), buf_str(&again)))
		rc = say(error_r, "the two passwords differ");
	buf_wipe(&again);
	return rc;
}

static int read_line(struct buf *out, struct buf *error_r)
{
	char c;
	int n;

	while ((n = read_byte(&c)) == 1 && c != '\n')
		if (buf_addc(out, c))
			return say(error_r, "the password is too long");
	if (n < 0)
		return say(error_r, strerror(errno));
	if (out->len && out->data[out->off + out->len - 1] == '\r')
		out->len--;
	return 0;
}

int user_password_ask(struct buf *out, struct buf *error_r)
{
	size_t max = out->max;
	int rc;

	out->max = USER_PASSWORD_MAX + 1; /* a CR may follow */
	rc = isatty(STDIN_FILENO) ? ask_twice(out, error_r) : read_line(out, error_r);
	out->max = max;
	if (rc)
		return -1;
	if (!out->len)
		return say(error_r, "the password is empty");
	if (out->len > USER_PASSWORD_MAX)
		return say(error_r, "the password is too long");
	if (memchr(buf_str(out).p, 0, out->len))
		return say(error_r, "the password holds a NUL byte");
	return 0;
}
