"""A person's requests about the data that are held on him."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class RequestKind(StrEnum):
    EXPORT = "export"
    DELETE = "delete"


class RequestState(StrEnum):
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"  # the person was deleted meanwhile


class PrivacyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`expires_at`: when the file of an export is removed."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    customer_uid: str | None = None
    kind: RequestKind
    state: RequestState
    options: dict[str, Any] = {}
    created_at: datetime
    finished_at: datetime | None = None
    expires_at: datetime | None = None


class Traces(msgspec.Struct, frozen=True):
    """Where a person appears, as uids; `recordings` are paths relative to their directory, `audio` and `exports` names
    of files."""

    calls: list[str]
    conversations: list[str]
    recordings: list[str]
    audio: list[str]
    exports: list[str]
