"""A key as it is stored: its name and whose it is in the clear, its value encrypted."""

from __future__ import annotations

from datetime import datetime

import msgspec


class StoredSecret(msgspec.Struct, frozen=True):
    """`organization_uid` None: everybody's."""

    uid: str
    organization_uid: str | None
    name: str
    ciphertext: str
    created_at: datetime
    organization_id: str | None = None
