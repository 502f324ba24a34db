# SPDX-License-Identifier: 0BSD
"""imapfilter sorts mail by rules: SEARCH, COPY, STORE, EXPUNGE, CREATE and SUBSCRIBE from Lua."""

from harness.client import message, run


def subjects(client, name):
    count = int(client.select(name, readonly=True)[1][0])
    parts = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1] if count else []
    return sorted(p[1].split()[1].decode() for p in parts if isinstance(p, tuple))


def test_rules_are_carried_out(server, tmp_path):
    server.add_user("rules")
    for subject, sender in (("invoice-1", "shop"), ("invoice-2", "shop"), ("hello", "friend"), ("offer", "spam")):
        server.deliver(message(subject, "Something\r\n" * 20, From=f"{sender}@example.org"), to=("rules",))
    config = tmp_path / "config.lua"
    config.write_text(f"""
options.timeout = 60
options.starttls = false
options.create = true
options.subscribe = true
account = IMAP {{ server = '127.0.0.1', port = {server.imap_port}, username = 'rules',
                  password = '{server.password}' }}
account:create_mailbox('Bills')
found = account.INBOX:contain_from('shop') * account.INBOX:contain_subject('invoice')
found:move_messages(account.Bills)
account.INBOX:contain_from('spam'):delete_messages()
account.INBOX:is_unseen():mark_flagged()
account.INBOX:is_flagged():copy_messages(account['Seen/Later'])
print('left', account.INBOX:check_status())
for _, one in ipairs(account.Bills:match_subject('invoice.2$')) do
    print('matched', account.Bills[one[2]]:fetch_field('Subject'))
end
""")
    done = run("imapfilter", "-c", config, env={"HOME": str(tmp_path)})
    assert "left\t1" in done.stdout and "matched\tSubject: invoice-2" in done.stdout, done.stdout
    client = server.imap("rules")
    assert subjects(client, "INBOX") == ["hello"] and subjects(client, "Bills") == ["invoice-1", "invoice-2"]
    assert subjects(client, "Seen/Later") == ["hello"]
    assert b"\\Flagged" in client.fetch("1", "(FLAGS)")[1][0]
    client.logout()
