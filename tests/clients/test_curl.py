# SPDX-License-Identifier: 0BSD
"""curl reads, uploads, searches, deletes, and delivers LMTP lines through its telnet scheme."""

from harness.client import message, run


def curl(server, path, *words, stdin=""):
    return run("curl", "-sS", "--max-time", "30", "-u", f"demo:{server.password}",
               f"imap://127.0.0.1:{server.imap_port}/{path}", *words, stdin=stdin)


def test_curl_reads_what_was_delivered(server):
    server.deliver(message("curl reads", "The body.\r\n"))
    uid = curl(server, "INBOX?SUBJECT%20%22curl%20reads%22").stdout.split()[-1]
    text = curl(server, f"INBOX;MAILINDEX={uid}").stdout
    assert "Subject: curl reads" in text and "The body." in text and "Return-Path: <" in text


def test_curl_uploads_and_the_bytes_come_back(server, tmp_path):
    sent = message("curl uploads", "".join(f"line {i}\r\n" for i in range(5000)))
    file = tmp_path / "message"
    file.write_text(sent, newline="")
    curl(server, "", "-X", "CREATE uploads")
    curl(server, "uploads", "-T", file)
    got = run("curl", "-sS", "--max-time", "30", "-u", f"demo:{server.password}",
              f"imap://127.0.0.1:{server.imap_port}/uploads;MAILINDEX=1", "-o", tmp_path / "got")
    assert got.returncode == 0
    assert (tmp_path / "got").read_bytes().decode() == sent


def test_curl_lists_and_searches(server):
    listing = curl(server, "").stdout
    assert "INBOX" in listing and listing.startswith("* LIST")
    assert curl(server, "INBOX?ALL").stdout.startswith("* SEARCH")


def test_curl_with_a_wrong_password_is_refused(server):
    done = run("curl", "-sS", "--max-time", "30", "-u", "demo:wrong",
               f"imap://127.0.0.1:{server.imap_port}/INBOX", check=False)
    assert done.returncode == 67, done.stderr  # login denied


def test_curl_delivers_lmtp_lines_by_telnet(server):
    lines = ("LHLO pc\r\nMAIL FROM:<pc@example.org>\r\nRCPT TO:<demo>\r\nDATA\r\n"
             "Subject: by telnet\r\n\r\nhi\r\n.\r\nQUIT\r\n")
    done = run("curl", "-sS", "--max-time", "20", f"telnet://127.0.0.1:{server.lmtp_port}", stdin=lines)
    assert "354 " in done.stdout and "\n250 2." in done.stdout.split("354 ")[1], done.stdout
    assert curl(server, "INBOX?SUBJECT%20telnet").stdout.split()[2:]
