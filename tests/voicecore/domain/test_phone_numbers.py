"""Spellings of numbers that are the same, and those that are not."""

from __future__ import annotations

import pytest

from voicecore.domain.phone import digits, e164, partial_digits, same_number, sought_digits


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+49 (30) 1234567", "0301234567", True),
        ("0049301234567", "+49301234567", True),
        ("+12125550123", "212-555-0123", True),
        ("+12125550123", "5550123", True),
        ("+12125550123", "+13125550124", False),
        ("5550123", "0123", False),
        ("", "", False),
        ("client:alice", "client:alice", False),
        ("+49301234567", "+43301234567", False),
    ],
)
def test_same_number(one: str, other: str, same: bool) -> None:
    assert same_number(one, other) is same
    assert same_number(other, one) is same


def test_digits_of_strange_text() -> None:
    assert digits("٣٤٥ 12") == "12"  # only ASCII digits: others are no telephone numbers
    assert partial_digits("0049 30") == "4930"
    assert partial_digits("030 12") == "3012"
    assert sought_digits("+49 (030)/1-2.3") == "49030123"
    assert sought_digits("' OR '1'='1") == sought_digits("Room 12") == ""  # words that have digits, no number


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("+49 (30) 12-34 567", "+49301234567"),
        ("0049 30/1234567", "+49301234567"),
        (" +1.555.010.0000 ", "+15550100000"),
        ("+1234567890", "+1234567890"),
    ],
)
def test_numbers_as_carriers_take_them(raw: str, expected: str) -> None:
    assert e164(raw) == expected


@pytest.mark.parametrize(
    "raw", ["", "030 1234567", "+0301234567", "+49", "+4930123456789012", "+49x301234567", "+4+930123456"]
)
def test_what_no_carrier_takes(raw: str) -> None:
    with pytest.raises(ValueError, match="country"):
        e164(raw)
