"""Reports as PDF: the table of objects is right, pages break, no letter breaks out of its string."""

from __future__ import annotations

import re

from voicecore.api.portal.pdf import Line, document


def test_every_object_is_where_the_table_says() -> None:
    content = document([Line("Title", heading=True), *(Line(f"line {number}") for number in range(120))])
    table = int(re.search(rb"startxref\n(\d+)\n", content)[1])  # type: ignore[index]
    assert content[table:].startswith(b"xref\n0 ")
    begins = [int(entry) for entry in re.findall(rb"(\d{10}) 00000 n", content)]
    for number, begin in enumerate(begins, 1):
        assert content[begin:].startswith(b"%d 0 obj\n" % number)
    assert content.count(b"/Type /Page ") == 3
    assert b"/Count 3" in content
    for length, stream in re.findall(rb"/Length (\d+) >>\nstream\n(.*?)\nendstream", content, re.S):
        assert int(length) == len(stream)


def test_letters() -> None:
    content = document([Line("Größe (a\\b) 🦷\n" + "x" * 500)])
    assert "Größe".encode("cp1252") + rb" \(a\\b\) ? x" in content
    assert b"x" * 91 not in content
