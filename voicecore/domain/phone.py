"""Telephone numbers as people type, speak and send them, made comparable. Rows keep what was given;
comparison is on digits. Knows no numbering plan beyond international and trunk prefixes."""

from __future__ import annotations

SHORTEST_LOCAL = 7  # digits that two spellings of a number must share before they count as one
_WRITTEN = frozenset("+0123456789 ()-./\u00a0")  # what people write numbers with


def digits(raw: str) -> str:
    """Only the digits, without an international prefix: "+49 (30) 12-34" and "0049301234" → "49301234"."""
    kept = "".join(c for c in raw if c.isascii() and c.isdigit())
    return kept[2:] if kept.startswith("00") else kept


def e164(raw: str) -> str:
    """The number as carriers take it: "+49 (30) 12-34 567" and "0049301234567" → "+49301234567". Raises ValueError: it
    is no telephone number with its country's code (ITU-T E.164 allows 15 digits; no country's begins with 0)."""
    text = raw.strip()
    international = text.startswith(("+", "00"))
    kept = digits(text)
    if not international or set(text) - _WRITTEN or text.count("+") > 1 or "+" in text[1:]:
        raise ValueError("give it as +, country code and number")
    if not SHORTEST_LOCAL <= len(kept) <= 15 or kept.startswith("0"):
        raise ValueError("7 to 15 digits with the country code")
    return f"+{kept}"


def partial_digits(raw: str) -> str:
    """What to look for inside stored digits: trunk zeros go, because E.164 numbers do not have them."""
    return digits(raw).lstrip("0")


def sought_digits(raw: str) -> str:
    """`partial_digits` of what looks like part of a number; "" of any other text, whose digits would find strangers."""
    return "" if set(raw) - _WRITTEN else partial_digits(raw)


def tail(raw: str) -> str:
    """The last seven digits: equal for every spelling of one subscriber, so it can be indexed."""
    return digits(raw)[-SHORTEST_LOCAL:]


def same_number(one: str, other: str) -> bool:
    """Are these spellings of one number? "+49301234567" and "0301234567" are."""
    a, b = partial_digits(one), partial_digits(other)
    shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
    if shorter == longer:
        return bool(shorter)
    return len(shorter) >= SHORTEST_LOCAL and longer.endswith(shorter)
