/* SPDX-License-Identifier: 0BSD */
/*
 * Takes the place of lib/dlopen.c, lib/config.c and lib/client.c. Nothing is loaded from files, and no table of mechanisms is linked
 * in: each mechanism's feature adds its own with sasl_server_add_plugin() after sasl_server_init().
 * The client half of the library is left out too; the two questions lib/common.c asks it are answered
 * here.
 */
#include <config.h>
#include <sasl.h>
#include "saslint.h"

int satchel_no_addrinfo(const char *node, const char *service, const struct addrinfo *hints,
	struct addrinfo **result)
{
	(void)node;
	(void)service;
	(void)hints;
	*result = NULL;
	return EAI_FAIL;
}

int satchel_differ(const void *a, const void *b, size_t n)
{
	const volatile unsigned char *x = a, *y = b;
	unsigned char differ = 0;

	while (n--)
		differ |= *x++ ^ *y++;
	return differ;
}

int _sasl_load_plugins(const add_plugin_list_t *entrypoints,
	const sasl_callback_t *getpath_callback, const sasl_callback_t *verifyfile_callback)
{
	(void)entrypoints;
	(void)getpath_callback;
	(void)verifyfile_callback;
	return SASL_OK;
}

int _sasl_get_plugin(const char *file, const sasl_callback_t *verifyfile_callback, void **library)
{
	(void)file;
	(void)verifyfile_callback;
	(void)library;
	return SASL_NOMECH;
}

int _sasl_locate_entry(void *library, const char *entryname, void **entry_point)
{
	(void)library;
	(void)entryname;
	(void)entry_point;
	return SASL_NOMECH;
}

int _sasl_done_with_plugins(void)
{
	return SASL_OK;
}

sasl_string_list_t *_sasl_client_mechs(void)
{
	return NULL;
}

int _sasl_client_listmech(sasl_conn_t *conn, const char *prefix, const char *sep, const char *suffix,
	const char **result, unsigned *plen, int *pcount)
{
	(void)conn;
	(void)prefix;
	(void)sep;
	(void)suffix;
	(void)result;
	(void)plen;
	(void)pcount;
	return SASL_NOTINIT;
}

/* In place of lib/config.c: no settings file is read, the server answers SASL_CB_GETOPT instead. */
int sasl_config_init(const char *filename)
{
	(void)filename;
	return SASL_CONTINUE;
}

const char *sasl_config_getstring(const char *key, const char *def)
{
	(void)key;
	return def;
}

void sasl_config_done(void)
{
}
