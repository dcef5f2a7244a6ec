"""A finished call in the few facts that a long list shows."""

from __future__ import annotations

from datetime import datetime

import msgspec

from pipelines.events import EndReason


class CallOverview(msgspec.Struct, frozen=True, kw_only=True):
    """`recording_file` is the name under which we serve our recording; `recording_url` where others keep theirs."""

    uid: str
    party_number: str
    party_name: str  # as he gave it, else as we know him
    duration_s: float
    end_reason: EndReason | None
    summary: str
    recording_file: str = ""
    recording_url: str = ""
    created_at: datetime
