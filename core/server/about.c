/* SPDX-License-Identifier: 0BSD */
#include "core/server/cli.h"

#include "core/hooks.h"
#include "generated/config_text.h"
#include "generated/version.h"

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "other"
#endif

static void add_command(struct buf *out, const char *name, const char *usage, const char *help)
{
	struct str words = str_from(usage ? usage : "");
	size_t width = 2 + str_from(name).len + (words.len ? 1 + words.len : 0);

	buf_addv(out, "  ", name, words.len ? " " : "", NULL);
	buf_addstr(out, words);
	for (; width < 20; width++)
		buf_addc(out, ' ');
	buf_addv(out, help ? help : "", "\n", NULL);
}

void srv_about_help(struct buf *out)
{
	buf_adds(out,
		"usage: satchel [-c FILE] [--data DIR] COMMAND\n"
		"\n"
		"  serve             serve mail in the foreground until SIGTERM\n"
		"  user ...          add, passwd, del, list, import; `satchel user' explains them\n"
		"  config            print the settings in force\n"
		"    --kconfig       print the .config the binary was built from\n"
		"    --man           print the source of satchel.conf(5)\n"
		"  stat              counters of the running server\n"
		"  checkpoint        make the running server write a checkpoint\n"
		"  reload            make it read its settings again, as SIGHUP does\n");
	FEATURE_EACH (f) {
		for (const struct cli_command *c = f->cli; c && c->name; c++)
			add_command(out, c->name, c->usage, c->help);
		for (const struct control_command *c = f->control; c && c->name; c++)
			add_command(out, c->name, c->usage, c->help);
	}
	buf_adds(out,
		"\n"
		"  --check-config    check the settings file and say what is wrong with it\n"
		"  --version         what is compiled in; with --json for machines\n"
		"  --licenses        whose work is in the binary\n"
		"\n"
		"Settings come from FILE, else from DIR/satchel.conf, else (where no DIR is given)\n"
		"from /etc/satchel.conf; a file that is not there leaves the defaults. See\n"
		"satchel(8) and satchel.conf(5).\n");
}

static void add_protocols(struct buf *out, const char *before, const char *between)
{
	if (ENABLE_IMAP)
		buf_addv(out, before, "imap", before[0] == '"' ? "\"" : "", NULL);
	if (ENABLE_LMTP)
		buf_addv(out, ENABLE_IMAP ? between : "", before, "lmtp", before[0] == '"' ? "\"" : "",
			NULL);
}

void srv_about_version(struct buf *out)
{
	buf_adds(out, "satchel " SATCHEL_VERSION " (" MACHINE ")\nProtocols: ");
	add_protocols(out, "", " ");
	buf_adds(out, "\nFeatures:");
	FEATURE_EACH (f)
		buf_addv(out, " ", f->name, NULL);
	buf_adds(out, "\nMechanisms:");
	FEATURE_EACH (f) {
		for (const struct sasl_mech *mech = f->sasl_mechs; mech && mech->name; mech++)
			buf_addv(out, " ", mech->name, NULL);
	}
	buf_adds(out, "\nConfiguration: " SATCHEL_CONFIG_HASH "\n");
}

void srv_about_version_json(struct buf *out)
{
	const char *comma = "";

	buf_adds(out, "{\"name\":\"satchel\",\"version\":\"" SATCHEL_VERSION "\",\"machine\":\"" MACHINE
		      "\",\"configuration\":\"" SATCHEL_CONFIG_HASH "\",\"protocols\":[");
	add_protocols(out, "\"", ",");
	buf_adds(out, "],\"features\":[");
	FEATURE_EACH (f) {
		buf_addv(out, comma, "\"", f->name, "\"", NULL);
		comma = ",";
	}
	buf_adds(out, "],\"mechanisms\":[");
	comma = "";
	FEATURE_EACH (f) {
		for (const struct sasl_mech *mech = f->sasl_mechs; mech && mech->name; mech++) {
			buf_addv(out, comma, "\"", mech->name, "\"", NULL);
			comma = ",";
		}
	}
	buf_adds(out, "]}\n");
}

void srv_about_licenses(struct buf *out)
{
	buf_adds(out,
		"Satchel: BSD Zero Clause License (0BSD).\n"
		"\n"
		"In this binary are also:\n"
		"\n"
		"cyrus-sasl 2.1.28: BSD-style, Carnegie Mellon University.\n"
		"  Copyright (c) 1998-2016 Carnegie Mellon University. All rights reserved.\n"
		"  This product includes software developed by Computing Services\n"
		"  at Carnegie Mellon University (http://www.cmu.edu/computing/).\n"
		"\n"
		"Mbed TLS 3.6: Apache License 2.0. Copyright The Mbed TLS Contributors.\n"
		"  http://www.apache.org/licenses/LICENSE-2.0\n"
		"\n"
		"TinyCDB 0.78: public domain, Michael Tokarev.\n"
		"\n"
		"musl 1.2.5: MIT. Copyright (c) 2005-2020 Rich Felker, et al.\n"
		"  Permission is hereby granted, free of charge, to any person obtaining a copy of\n"
		"  this software and associated documentation files (the \"Software\"), to deal in\n"
		"  the Software without restriction, including without limitation the rights to\n"
		"  use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of\n"
		"  the Software, and to permit persons to whom the Software is furnished to do so,\n"
		"  subject to the following conditions: The above copyright notice and this\n"
		"  permission notice shall be included in all copies or substantial portions of the\n"
		"  Software. THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND,\n"
		"  EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF\n"
		"  MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO\n"
		"  EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR\n"
		"  OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING\n"
		"  FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN\n"
		"  THE SOFTWARE.\n");
}

void srv_about_kconfig(struct buf *out)
{
	buf_adds(out, config_text);
}
