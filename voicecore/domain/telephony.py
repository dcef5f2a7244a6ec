"""An exchange that a client runs, and what came of knocking at it."""

from __future__ import annotations

from datetime import datetime

import msgspec


class TelephonyProvider(msgspec.Struct, frozen=True, kw_only=True):
    """`kind`: asterisk and the like. `context`: the dial plan's."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    name: str
    kind: str
    host: str
    port: int
    username: str = ""
    sealed_password: str = ""
    context: str = ""
    created_at: datetime


class Knock(msgspec.Struct, frozen=True, kw_only=True):
    """`transport` by which something answered, "" where nothing did; `answer` is a SIP status line, if that is what
    came."""

    transport: str = ""
    answer: str = ""
    latency_ms: float | None = None
    problem: str = ""

    @property
    def reached(self) -> bool:
        return bool(self.transport)
