"""Turns msgspec's sentence about a wrong value into (field path, reason), as errors report it."""

from __future__ import annotations

import re

import msgspec

_AT = re.compile(r"^(?P<reason>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")


def field_error(error: msgspec.ValidationError, prefix: str = "") -> tuple[str, str]:
    """`config.turn.base_wait_ms`, `Expected int >= 100`; a missing or unknown member is named itself."""
    match = _AT.match(str(error))
    assert match is not None  # the pattern takes any text
    reason = match["reason"]
    parts = [prefix] if prefix else []
    inner = re.sub(r"^(\$|key in \$)\.?", "", match["path"] or "")
    if inner:
        parts.append(inner)
    if missing := _MISSING.match(reason):
        parts.append(missing["name"])
        reason = "required"
    elif unknown := _UNKNOWN.match(reason):
        parts.append(unknown["name"])
        reason = "unknown key"
    return ".".join(parts).replace(".[", "["), reason.replace("`", "")
