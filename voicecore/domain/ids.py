"""Identities: a random uuid for every row, and the `prefix_word` names that clients see and may choose.

Knows nothing of tables; that an external id is unique within its organization is the schema's business.
"""

from __future__ import annotations

import re
import secrets
import uuid

_EXTERNAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,99}")
_ALPHABET = "0123456789abcdefghijkmnpqrstvwxy"  # 32 of them; no l, o, u: read out loud without doubt


def new_uid() -> str:
    """A fresh uuid4 in its canonical form (RFC 9562 §5.4)."""
    return str(uuid.uuid4())


def new_external_id(prefix: str) -> str:
    """`call_3v9k…`: 16 random characters, 80 bits, so that ids cannot be guessed."""
    return f"{prefix}_" + "".join(_ALPHABET[byte & 31] for byte in secrets.token_bytes(16))


def is_external_id(text: str) -> bool:
    """May a client use this as an id? Letters, digits and `_ . : -`, at most 100 of them."""
    return _EXTERNAL.fullmatch(text) is not None
