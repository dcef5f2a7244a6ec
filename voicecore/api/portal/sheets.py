"""Lines of CSV (RFC 4180 in UTF-8) that a spreadsheet shows and does not compute.

What begins as a formula does gets an apostrophe in front, as OWASP ("CSV Injection") says. Telephone numbers and
numbers stay as they are, for nothing in them can reach anything.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # full-width ones count in some spreadsheets
_HARMLESS = re.compile(r"[+-]?[0-9][0-9 ()./-]*")


def lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and _FORMULA.match(value) and not _HARMLESS.fullmatch(value):
        return f"'{value}"
    return value
