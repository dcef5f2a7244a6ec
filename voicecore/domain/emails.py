"""E-mail addresses as accounts know them: in lower case, and not longer than any can be."""

from __future__ import annotations

import re

from pipelines.errors import ValidationError

LONGEST = 254  # characters, RFC 5321 §4.5.3.1.3 without the angle brackets
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def fold_email(text: str) -> str:
    return text.strip().casefold()


def checked_email(text: str) -> str:
    """Folded. Raises ValidationError."""
    email = fold_email(text)
    if not _EMAIL.fullmatch(email) or len(email) > LONGEST:
        raise ValidationError("invalid e-mail address", (("email", "not an e-mail address"),))
    return email
