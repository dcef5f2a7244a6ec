"""Audio that was made for a client and is kept for a while."""

from __future__ import annotations

from datetime import datetime

import msgspec


class AudioFile(msgspec.Struct, frozen=True, kw_only=True):
    """`external_id` is its name on disk and in URLs, without the ending."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    conversation_uid: str | None = None
    format: str
    duration_s: float
    created_at: datetime
    expires_at: datetime

    @property
    def name(self) -> str:
        return f"{self.external_id}.{self.format}"
