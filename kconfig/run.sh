#!/bin/sh
# SPDX-License-Identifier: 0BSD
# run.sh BINARY: serve a demo account from run/ in the foreground, and say how to try it.
# RUN_DIR, IMAP_PORT and LMTP_PORT may be set; make run passes them on.
set -eu
bin=$1
dir=${RUN_DIR:-run}
imap=${IMAP_PORT:-1143}
lmtp=${LMTP_PORT:-1124}

busy() {
	"${PYTHON:-/usr/bin/python3}" - "$1" <<'END'
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    s.bind(("127.0.0.1", int(sys.argv[1])))
except OSError:
    sys.exit(0)
sys.exit(1)
END
}

for port in "IMAP_PORT $imap" "LMTP_PORT $lmtp"; do
	if busy "${port#* }"; then
		echo "port ${port#* } on 127.0.0.1 is busy; choose another: make run ${port% *}=N" >&2
		exit 1
	fi
done

mkdir -p "$dir"
chmod 755 "$dir"
top=$(cd "$dir" && pwd)
if [ ! -s "$top/demo.password" ]; then
	(
		umask 077
		head -c 15 /dev/urandom | base64 | tr '+/' 'xy' >"$top/demo.password.new"
	)
	"$bin" --data "$top" user add demo <"$top/demo.password.new"
	mv "$top/demo.password.new" "$top/demo.password"
fi
password=$(cat "$top/demo.password")
cat >"$top/satchel.conf" <<END
imap_listen: 127.0.0.1:$imap
lmtp_listen: 127.0.0.1:$lmtp $top/lmtp.sock
END
chmod 644 "$top/satchel.conf"

cat <<END
Satchel serves the account demo, password $password (kept in $dir/demo.password)
  IMAP  127.0.0.1:$imap
  LMTP  127.0.0.1:$lmtp and $top/lmtp.sock

Deliver a message over LMTP:
  (printf 'LHLO me\r\nMAIL FROM:<me@example.org>\r\nRCPT TO:<demo>\r\nDATA\r\nSubject: Hello\r\n\r\nFirst mail.\r\n.\r\nQUIT\r\n'; sleep 2) | curl -s telnet://127.0.0.1:$lmtp
Read it over IMAP:
  curl -s -u demo:$password 'imap://127.0.0.1:$imap/INBOX;MAILINDEX=1'

Ctrl-C ends it. Other ports: make run IMAP_PORT=N LMTP_PORT=N
END
exec "$bin" serve --data "$top"
