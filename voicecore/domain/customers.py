"""The people who call, and what they asked for that somebody has to do later."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from unicodedata import normalize

import msgspec


def name_key(name: str) -> str:
    """What names are sorted and searched by, the same on every database: without case, letters with their accents."""
    return normalize("NFKC", name.casefold())


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """`phone` is what was given; `phone_digits` is what is compared."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    name: str = ""
    phone: str = ""
    phone_digits: str = ""
    email: str = ""
    tags: tuple[str, ...] = ()
    custom_fields: dict[str, Any] = {}
    notes: str = ""
    company: str = ""  # whom he works for, and as what
    title: str = ""
    address: dict[str, str] = {}  # street, city, postal_code, country
    created_at: datetime


class CallbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants to be called back."""

    uid: str
    seq: int = 0
    organization_uid: str
    business_uid: str
    external_id: str
    call_uid: str | None = None
    customer_uid: str | None = None
    customer_name: str = ""
    customer_phone: str = ""
    reason: str = ""
    created_at: datetime
