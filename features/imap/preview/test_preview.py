# SPDX-License-Identifier: 0BSD
"""PREVIEW (RFC 8970); nothing of it where it is not compiled in."""

import base64
import re

import pytest

from harness.imap import new_mailbox, simple
from harness.server import config_symbols

ON = config_symbols().get("PREVIEW") == "y"


def test_it_is_offered_where_it_is_compiled_in(wire):
    assert (b"PREVIEW" in wire.ok("CAPABILITY")[0].split()) == ON


if not ON:
    def test_the_item_is_unknown(wire):
        new_mailbox(wire, [simple()])
        for command in ("FETCH 1 PREVIEW", "FETCH 1 (PREVIEW (LAZY))"):
            assert b" BAD " in wire.command(command)[-1][:12]
else:
    def preview(wire, message, item="PREVIEW"):
        new_mailbox(wire, [message])
        answer = wire.ok(f"FETCH 1 (UID {item})")[0]
        found = re.match(rb'\* 1 FETCH \(UID 1 PREVIEW (?:"((?:[^"\\]|\\.)*)"|\{\d+\}\r\n(.*))\)$', answer, re.DOTALL)
        assert found, answer
        return re.sub(rb"\\(.)", rb"\1", found.group(1)) if found.group(2) is None else found.group(2)

    def html(text, **more):
        return simple(body=text, MIME_Version="1.0", Content_Type="text/html; charset=utf-8", **more)

    @pytest.mark.parametrize("message, want", [
        (simple(body="Hello,\r\n\r\n  this is \t text.\r\n"), "Hello, this is text."),
        (simple(body=""), ""),
        (simple(body="> you said\r\n> that\r\nI say\r\n> more\r\nthis\r\n"), "I say this"),
        (simple(body='say "a \\ b"\r\n'), 'say "a \\ b"'),
        (simple(body="Gr=FC=DFe\r\n", Content_Type="text/plain; charset=iso-8859-1",
                Content_Transfer_Encoding="quoted-printable"), "Grüße"),
        (simple(body=base64.b64encode("€ 100".encode()).decode(), Content_Type="text/plain; charset=utf-8",
                Content_Transfer_Encoding="base64"), "€ 100"),
        (html("<html><head><title>no</title><style>p {color: red}</style></head><body><p>Hello&nbsp;<b>wor</b>ld"
              "<!-- no > --><br>a &lt; b &amp;&#228;&#x20AC; &unknown; AT&T<script>no()</script></body></html>"),
         "Hello world a < b &ä€ &unknown; AT&T"),
        (simple(body="--b\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n--b\r\n\r\nplain\r\n--b--\r\n",
                Content_Type="multipart/alternative; boundary=b"), "plain"),
        (simple(body="--b\r\nContent-Disposition: attachment\r\n\r\nnotes\r\n--b\r\nContent-Type: text/html\r\n\r\n"
                     "<p>html</p>\r\n--b--\r\n", Content_Type="multipart/mixed; boundary=b"), "html"),
        (simple(body="AAAA\r\n", Content_Type="image/png", Content_Transfer_Encoding="base64"), ""),
    ])
    def test_the_first_words(wire, message, want):
        assert preview(wire, message).decode() == want

    def test_at_most_200_characters_of_however_much(wire):
        assert preview(wire, simple(body="äb " * 500, Content_Type="text/plain; charset=utf-8")).decode() \
            == ("äb " * 67)[:200].strip()
        assert preview(wire, simple(body="word " * 400000)) == (b"word " * 40).strip()
        assert preview(wire, html("<p>" * 20000 + "too far")) == b""

    def test_lazy_and_beside_other_items(wire):
        assert preview(wire, simple(body="x\r\n"), "PREVIEW (LAZY)") == b"x"
        new_mailbox(wire, [simple(body="one\r\n"), simple(body="two\r\n")])
        assert wire.ok("FETCH 1:2 (PREVIEW (LAZY) FLAGS)")[0].startswith(b'* 1 FETCH (PREVIEW "one" FLAGS (')
        assert wire.ok("FETCH 2 PREVIEW")[0] == b'* 2 FETCH (PREVIEW "two")'
        assert b"\\Seen" not in wire.ok("FETCH 1:2 FLAGS")[0]
        for bad in ("FETCH 1 PREVIEW (BUSY)", "FETCH 1 (PREVIEW (LAZY)", "FETCH 1 PREVIEW()", "FETCH 1 PREVIEW[]"):
            assert b" BAD " in wire.command(bad)[-1][:12], bad
