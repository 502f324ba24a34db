/* SPDX-License-Identifier: 0BSD */
#ifndef CORE_SERVER_MESSAGES_H
#define CORE_SERVER_MESSAGES_H

/*
 * Frames between roles (core/lib/ipc.h).  Payloads are little endian; "str" is u32 length and
 * bytes.  Every receiver treats them as hostile: short, long or unknown frames close the channel.
 */

#include <stdint.h>

#define SRV_TOKEN_SIZE 16

enum srv_service { SRV_IMAP = 1, SRV_LMTP = 2 };

/* connection flags */
enum { SRV_TLS = 1, SRV_SECURE = 2 };

enum srv_message {
	/* master -> child */
	SRV_PEER = 1,      /* u8 role, descriptor: a new channel to that role (it was restarted) */
	SRV_DRAIN,         /* finish: no new work, end sessions at a command boundary, exit 0 */
	SRV_CONTROL,       /* u64 request, str command line (`who`, `kick 12`) -> mail */
	SRV_MATERIAL,      /* str keys and certificates (core/server/transport.h) -> gate */
	SRV_FIGURES,       /* str "name value" lines, the answer to SRV_FIGURES_ASK -> mail */
	/* child -> master */
	SRV_READY,         /* str layers of the sandbox that are missing; initialised */
	SRV_RETIRED,       /* gate: drained, but for sessions that it relays; another may start */
	SRV_CONTROL_REPLY, /* u64 request, u8 status (0 ok, 1 error), u8 last, str text */
	SRV_FIGURES_ASK,   /* mail: for the figures of roles and listeners */

	/* gate -> auth */
	SRV_AUTH_START = 32, /* u64 connection, u8 service, u8 flags, str peer, str tls ("TLSv1.3 ..."),
	                        str whom the client's certificate names, str tls-exporter, str
	                        tls-server-end-point (each "" where there is none), then prelogin.auth:
	                        u8 kind: 0 = LOGIN: str user, str password
	                                 1 = SASL: str mechanism, u8 has_initial, str initial */
	SRV_AUTH_STEP,       /* u64 connection, then prelogin.auth: str response (decoded) */
	SRV_AUTH_ABORT,      /* u64 connection */
	/* auth -> gate */
	SRV_AUTH_REPLY,      /* u64 connection, u8 enum prelogin_auth, str data, token (OK only, else zeros) */

	/* auth -> mail */
	SRV_GRANT = 64,      /* token, u8 service, str account, str mechanism: good for one hand-off within 10 s */
	/* gate -> mail */
	SRV_HANDOFF,         /* u8 service, u8 flags, token (LMTP without a login: zeros), str tag, str lhlo, str peer,
	                        str unread; descriptor */
};

#endif
