"""A user as the person at the machine sees him: in every organization at once."""

from __future__ import annotations

import msgspec


class Belonging(msgspec.Struct, frozen=True):
    organization_uid: str
    organization_id: str
    roles: tuple[str, ...]
    state: str  # a MemberState


class UserOverview(msgspec.Struct, frozen=True, kw_only=True):
    """`second_factor`: logins need a code."""

    uid: str
    seq: int
    email: str
    name: str
    active: bool
    platform_admin: bool
    second_factor: bool
    belongs_to: tuple[Belonging, ...] = ()
