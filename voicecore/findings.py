"""What an examination finds: a verdict, what was seen, and the next command."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """`advice` is the next command or setting; empty when all is well."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""
