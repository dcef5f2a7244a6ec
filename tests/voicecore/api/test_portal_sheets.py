"""What an export's cells look like to a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from voicecore.api.portal.sheets import lines


def through(value: Any) -> str:
    [[cell]] = csv.reader(io.StringIO(lines([[value]]).decode(), newline=""))
    return cell


@pytest.mark.parametrize(
    "text",
    [
        "=1+2",
        '=HYPERLINK("http://x.example")',
        "@SUM(1)",
        "+cmd|' /C calc'!A0",
        "-2+3+cmd|x",
        "\t=1",
        "\r=1",
        "-- ",
        "+",
        "\uff1d1",
    ],
)
def test_what_a_spreadsheet_would_compute_is_disarmed(text: str) -> None:
    assert through(text) == f"'{text}"


@pytest.mark.parametrize(
    "text",
    [
        "+49 30 1234567",
        "+1-555-0100",
        "+49(0)30/123.45",
        "-5",
        "-0.5",
        "Max = Moritz",
        "a@b.example",
        'ü😀, "x"\n=1',
        "",
    ],
)
def test_everything_else_comes_as_it_is(text: str) -> None:
    assert through(text) == text


def test_numbers_and_flags() -> None:
    assert lines([[1, -2.5, True, None]]) == b"1,-2.5,true,\r\n"
