"""What may be shown of HTML that strangers write, and the text in it."""

from __future__ import annotations

import pytest

from voicecore.services.markup import plain, sanitized


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        '<a href="jav&#x09;ascript:alert(1)">x</a>',
        "<svg/onload=alert(1)>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<style>*{background:url(javascript:alert(1))}</style>",
        "<form action=https://evil.example><input name=password></form>",
        "<p style='position:fixed'>x</p>",
        "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
    ],
)
def test_nothing_runs_submits_or_styles(hostile: str) -> None:
    clean = sanitized(f"<p>kept</p>{hostile}")
    assert clean.startswith("<p>kept</p>")
    for bad in ("<script", "onerror", "onload", "javascript:", "<iframe", "<style", "style=", "<form", "<input"):
        assert bad not in clean.lower(), clean
    assert sanitized(clean) == clean


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\nTwo"),
        ("<p>A <b>bold</b>\n word</p>", "A bold word"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<ul><li>x</li><li>y</li></ul>after", "x\ny\nafter"),
        ("1 &lt; 2 &amp; &#x1F9B7; ü", "1 < 2 & \U0001f9b7 ü"),
        ("<div><div>  </div></div>", ""),
        ("just text", "just text"),
    ],
)
def test_the_text_has_a_line_for_each_block(html: str, text: str) -> None:
    assert plain(sanitized(html)) == text
