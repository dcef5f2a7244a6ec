"""Plain reports as PDF (ISO 32000-1): headings and lines of text on A4 pages, in the fonts that every reader has.

Those fonts know Western European letters; others are shown as question marks.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

WIDTH, HEIGHT, MARGIN = 595, 842, 56  # points; A4
LEADING = 1.45
HEADING_PT, TEXT_PT = 15, 10
LONGEST = 90  # characters of a line that fits
ENCODING = "cp1252"  # WinAnsiEncoding, Annex D


class Line(msgspec.Struct, frozen=True):
    text: str
    heading: bool = False

    @property
    def size(self) -> int:
        return HEADING_PT if self.heading else TEXT_PT

    @property
    def height(self) -> float:
        return self.size * LEADING * (2 if self.heading else 1)


def document(lines: Sequence[Line]) -> bytes:
    """As many pages as it takes."""
    pages = [_page(page) for page in _split(lines)]
    # Objects: 1 catalog, 2 page tree, 3 and 4 fonts, then a page and its content for each.
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        *(_font(name) for name in ("Helvetica", "Helvetica-Bold")),
    ]
    for number, content in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents {6 + 2 * number} 0 R"
            " /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _file(objects)


def _font(name: str) -> bytes:
    return f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode()


def _split(lines: Sequence[Line]) -> list[list[Line]]:
    pages: list[list[Line]] = [[]]
    room = HEIGHT - 2 * MARGIN
    left: float = room
    for line in lines:
        if line.height > left:
            pages.append([])
            left = room
        pages[-1].append(line)
        left -= line.height
    return pages


def _page(lines: Sequence[Line]) -> bytes:
    """Its content stream (§7.8)."""
    parts: list[bytes] = []
    y: float = HEIGHT - MARGIN
    for line in lines:
        y -= line.height
        font = "F2" if line.heading else "F1"
        place = f"BT /{font} {line.size} Tf 1 0 0 1 {MARGIN} {y:.1f} Tm (".encode()
        parts.append(place + _escaped(line.text[:LONGEST]) + b") Tj ET")
    return b"\n".join(parts)


def _escaped(text: str) -> bytes:
    """A literal string (§7.3.4.2)."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    raw = shown.encode(ENCODING, "replace")
    return raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _file(objects: Sequence[bytes]) -> bytes:
    """Objects, and the table of where each begins (§7.5)."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    begins: list[int] = []
    for number, content in enumerate(objects, 1):
        begins.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for begin in begins:
        out += b"%010d 00000 n \n" % begin
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)
