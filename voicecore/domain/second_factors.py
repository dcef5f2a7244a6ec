"""What a user proves besides his password: codes of a clock (RFC 6238), or one of a few that are good once."""

from __future__ import annotations

from datetime import datetime

import msgspec


class SecondFactor(msgspec.Struct, frozen=True, kw_only=True):
    """`last_step` is the period (unix time / 30 s) of the last code that was used: no code of it is taken again."""

    uid: str
    seq: int = 0
    user_uid: str
    sealed_secret: str
    verified_at: datetime | None = None
    last_step: int = 0
    created_at: datetime


class RecoveryCode(msgspec.Struct, frozen=True, kw_only=True):
    uid: str
    seq: int = 0
    factor_uid: str
    code_hash: str
    used_at: datetime | None = None
    created_at: datetime
