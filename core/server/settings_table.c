/* SPDX-License-Identifier: 0BSD */
#include "core/server/server.h"

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)

struct srv_settings srv_settings;

const struct setting srv_settings_table[] = {
	{"data", SETTING_STRING, "/var/lib/satchel", 0, 0, &srv_settings.data,
		"The spool: the directory that holds all mail, users.cdb and control.sock. It is "
		"created if it is absent. The option --data wins over it.",
		NULL},
	{"hostname", SETTING_STRING, "", 0, 0, &srv_settings.hostname,
		"The name this server greets with and writes in Received fields. Empty: the "
		"host's own name.",
		NULL},
	{"imap_listen", SETTING_STRING, "127.0.0.1:1143", 0, 0,
		ENABLE_IMAP ? &srv_settings.imap_listen : NULL,
		"Where IMAP clients connect: any number of addresses with ports "
		"(127.0.0.1:143, [::1]:143, *:143, 143) or paths of unix sockets, separated by "
		"spaces. Empty: nowhere.",
		"CONFIG_IMAP"},
	{"lmtp_listen", SETTING_STRING, "127.0.0.1:1124", 0, 0,
		ENABLE_LMTP ? &srv_settings.lmtp_listen : NULL,
		"Where mail is delivered over LMTP, in the form of imap_listen. Whoever can "
		"connect can deliver: keep it to loopback, a unix socket or a network of your "
		"own.",
		"CONFIG_LMTP"},
	{"lmtp_auth", SETTING_STRING, "no", 0, 0, ENABLE_LMTP_AUTH ? &srv_settings.lmtp_auth : NULL,
		"Who must log in before delivering over LMTP: no (nobody, AUTH is not offered), remote "
		"(who is not on this machine) or yes (everybody). A user who logs in needs the right lmtp or "
		"admin (satchel user grant).",
		"CONFIG_LMTP_AUTH"},
	{"lmtp_peers", SETTING_STRING, "", 0, 0, ENABLE_LMTP ? &srv_settings.lmtp_peers : NULL,
		"Addresses and networks (192.0.2.7, 198.51.100.0/24, 2001:db8::/32, unix) that may deliver "
		"over LMTP; others are told to come later (421), and the log says so. Empty: whoever can "
		"connect. Behind a proxy that tells the client's own address, that counts.",
		"CONFIG_LMTP"},
	{"listen_backlog", SETTING_NUMBER, TEXT(CONFIG_LISTEN_BACKLOG), 1, 65535,
		&srv_settings.listen_backlog,
		"How many connections may wait to be accepted, see listen(2); the kernel cuts it "
		"to net.core.somaxconn, which the log then says.",
		NULL},
	{"plaintext", SETTING_BOOL, "no", 0, 0, &srv_settings.plaintext,
		"Whether clients may send their password over a connection that is neither "
		"encrypted nor local. Say yes only behind a proxy that encrypts.",
		NULL},
	{"prelogin_connections", SETTING_NUMBER, TEXT(CONFIG_PRELOGIN_CONNECTIONS), 1, 1000000,
		&srv_settings.prelogin_connections,
		"How many connections that have not logged in there may be at once. One more takes the "
		"place of the oldest of those that never sent a byte, or of those that did, whichever are "
		"more.",
		NULL},
	{"prelogin_per_address", SETTING_NUMBER, TEXT(CONFIG_PRELOGIN_PER_ADDRESS), 1, 1000000,
		&srv_settings.prelogin_per_address,
		"How many of them may come from one IPv4 address or one IPv6 /64. Unix sockets "
		"do not count.",
		NULL},
	{"prelogin_seconds", SETTING_NUMBER, TEXT(CONFIG_PRELOGIN_SECONDS), 1, 3600,
		&srv_settings.prelogin_seconds,
		"A connection that has not logged in, or begun to deliver, after so many seconds "
		"is closed.",
		NULL},
	{"login_failure_delay", SETTING_NUMBER, "1", 0, 60, &srv_settings.login_failure_delay,
		"The answer to a wrong password waits so many seconds, and twice as long after "
		"each further one on the same connection, or ten from the same address, up to eight "
		"times.",
		NULL},
	{"login_failures_per_address", SETTING_NUMBER, TEXT(CONFIG_LOGIN_FAILURES), 0, 1000000,
		&srv_settings.login_failures_per_address,
		"After so many wrong passwords from one IPv4 address or one IPv6 /64 no further one is "
		"tried: clients there are told to come later. 0: no limit. Unix sockets do not count. "
		"Behind a proxy or for web mail see proxy_protocol_from, or choose a large number.",
		NULL},
	{"login_failure_seconds", SETTING_NUMBER, TEXT(CONFIG_LOGIN_FAILURE_SECONDS), 1, 86400,
		&srv_settings.login_failure_seconds,
		"In so many seconds one of these wrong passwords is forgotten.", NULL},
	{"login_cache_minutes", SETTING_NUMBER, TEXT(CONFIG_LOGIN_CACHE_MINUTES), 0, 1440,
		&srv_settings.login_cache_minutes,
		"A password that was right is recognised for so many minutes without hashing it again; "
		"one that was changed, and a user who was removed or disabled, are not. 0: each login is "
		"hashed.",
		NULL},
	{"sessions_max", SETTING_NUMBER, TEXT(CONFIG_SESSIONS_MAX), 1, 1000000,
		&srv_settings.sessions_max, "How many clients may be logged in or delivering at once.",
		NULL},
	{"checkpoint_interval", SETTING_NUMBER, TEXT(CONFIG_CHECKPOINT_INTERVAL), 5, 86400,
		&srv_settings.checkpoint_interval,
		"Seconds between checkpoints. After a crash all changes since the last one are "
		"read again from the log.",
		NULL},
	{"drain_seconds", SETTING_NUMBER, "10", 0, 3600, &srv_settings.drain_seconds,
		"When the server ends or restarts a part of itself, sessions may take so many "
		"seconds to finish their command.",
		NULL},
	{"log_level", SETTING_STRING, "info", 0, 0, &srv_settings.log_level,
		"What is printed: error, warning, info or debug.", NULL},
	{"log_format", SETTING_STRING, "plain", 0, 0, &srv_settings.log_format,
		"How: plain, lines of an event and key=value, with a priority in front where systemd reads "
		"them; or json, an object for each line, with the time, where the binary has that.",
		NULL},
	{"sandbox", SETTING_STRING, "auto", 0, 0, &srv_settings.sandbox,
		"What the processes do where the kernel or a container does not let them give up all "
		"that they do not need: auto says in the log what is missing and serves, require "
		"refuses to start. off is for debuggers: it leaves out system call filters and the "
		"like, but not users and root directories.",
		NULL},
	{"user_gate", SETTING_STRING, "", 0, 0, &srv_settings.user_gate,
		"When started as root, the user (a name, or uid:gid) under which connections are "
		"served before login. Empty: root.",
		NULL},
	{"user_auth", SETTING_STRING, "", 0, 0, &srv_settings.user_auth,
		"The same for the process that checks passwords; it must be able to read "
		"users.cdb.",
		NULL},
	{"user_mail", SETTING_STRING, "", 0, 0, &srv_settings.user_mail,
		"The same for the process that holds the mail; the spool must belong to it.", NULL},
	{NULL, SETTING_STRING, NULL, 0, 0, NULL, NULL, NULL},
};
