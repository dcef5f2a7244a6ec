"""What a status and its headers mean."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from pipelines.errors import Remedy
from pipelines.providers._refusals import LONGEST_S, refused, retry_after_s


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, Remedy.SWITCH),
        (403, Remedy.SWITCH),
        (429, Remedy.SWITCH),
        (404, Remedy.SWITCH),
        (500, Remedy.RETRY),
        (503, Remedy.RETRY),
    ],
)
def test_who_is_asked_next(status: int, remedy: Remedy) -> None:
    assert refused(status, {}, "no", stage="llm", provider="p").remedy is remedy


def test_the_message_is_one_short_line() -> None:
    error = refused(500, {}, "a\n\nb " + "c" * 5000, stage="llm", provider="p")
    assert error.message.startswith("llm/p: HTTP 500: a b c")
    assert len(error.message) < 250


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("99999999", LONGEST_S),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", LONGEST_S),
    ],
)
def test_retry_after_as_a_number(header: str, seconds: float | None) -> None:
    assert retry_after_s({"Retry-After": header}) == seconds


def test_retry_after_as_a_date() -> None:
    seconds = retry_after_s({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert seconds is not None
    assert 28 <= seconds <= 30
    assert retry_after_s({"retry-after": formatdate(time.time() - 30, usegmt=True)}) == 0.0


def test_without_a_header() -> None:
    assert retry_after_s({}) is None
