"""Who owns data and who may see it: organizations, their lines of business, users, memberships, sessions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Role(StrEnum):
    ADMIN = "admin"
    MANAGER = "manager"
    USER = "user"


class Permission(StrEnum):
    READ = "read"
    BOOK = "book"
    CONFIGURE = "configure"  # agents, knowledge, settings
    ADMINISTER = "administer"


GRANTS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.MANAGER: frozenset({Permission.READ, Permission.BOOK, Permission.CONFIGURE}),
    Role.USER: frozenset({Permission.READ, Permission.BOOK}),
}


class TokenKind(StrEnum):
    ACCESS = "access"
    REFRESH = "refresh"


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant: the owner of every other row."""

    uid: str
    seq: int = 0
    external_id: str
    name: str
    contact_email: str = ""
    phone: str = ""
    address: dict[str, Any] = {}
    settings: dict[str, Any] = {}  # language and whatever else clients keep there
    timezone: str = "UTC"
    created_at: datetime


class Business(msgspec.Struct, frozen=True, kw_only=True):
    """A line that is answered: its name is spoken, its clock rules opening hours and appointments."""

    uid: str
    seq: int = 0
    organization_uid: str
    external_id: str
    name: str
    timezone: str = "UTC"
    phone: str = ""
    address: str = ""
    profession: str = ""
    voice_name: str = ""  # the voice it wishes for, as people call it; what an engine is told is the agent's voice_id
    closed_at: datetime | None = None  # it is not answered any more; its calls remain
    created_at: datetime


class Line(Business, frozen=True, kw_only=True):
    """A business and the number that rings there, as it was written; "" when it has none."""

    number: str = ""


class User(msgspec.Struct, frozen=True, kw_only=True):
    uid: str
    seq: int = 0
    email: str  # lower case; unique over all organizations
    name: str = ""
    password_hash: str = ""
    active: bool = True
    created_at: datetime


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    uid: str
    seq: int = 0
    user_uid: str
    organization_uid: str
    organization_id: str
    roles: tuple[str, ...] = ()


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One login. Its tokens are worth nothing once it is revoked or has expired."""

    uid: str
    seq: int = 0
    user_uid: str
    organization_uid: str
    surface: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def alive(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.expires_at


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking, proven: what services and routes decide on."""

    user_uid: str
    organization_uid: str
    organization_id: str
    session_uid: str
    surface: str
    roles: tuple[str, ...]

    def may(self, permission: Permission) -> bool:
        known = {role.value: role for role in Role}
        return any(permission in GRANTS[known[name]] for name in self.roles if name in known)
