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
    """Coarse ones, and those that can be given to one member (with a dot). Managing something includes seeing it."""

    READ = "read"
    BOOK = "book"
    CONFIGURE = "configure"  # agents, knowledge, settings
    ADMINISTER = "administer"
    PLATFORM = "platform"  # the whole server: of no role, see Principal
    CALLS_VIEW = "calls.view"
    CALLS_MANAGE = "calls.manage"
    APPOINTMENTS_VIEW = "appointments.view"
    APPOINTMENTS_MANAGE = "appointments.manage"
    CUSTOMERS_VIEW = "customers.view"
    CUSTOMERS_MANAGE = "customers.manage"
    ANALYTICS_VIEW = "analytics.view"
    GOALS_VIEW = "goals.view"
    GOALS_MANAGE = "goals.manage"
    JOURNEY_VIEW = "journey.view"
    JOURNEY_MANAGE = "journey.manage"
    SETTINGS_VIEW = "settings.view"
    SETTINGS_MANAGE = "settings.manage"
    WEBHOOKS_VIEW = "webhooks.view"
    WEBHOOKS_MANAGE = "webhooks.manage"
    TEAM_VIEW = "team.view"
    TEAM_MANAGE = "team.manage"
    BILLING_VIEW = "billing.view"
    BILLING_MANAGE = "billing.manage"
    AUDIT_VIEW = "audit.view"

    @property
    def fine(self) -> bool:
        return "." in self.value


_STAFF = frozenset(
    {
        Permission.CALLS_VIEW,
        Permission.APPOINTMENTS_VIEW,
        Permission.APPOINTMENTS_MANAGE,
        Permission.CUSTOMERS_VIEW,
        Permission.CUSTOMERS_MANAGE,
        Permission.ANALYTICS_VIEW,
        Permission.GOALS_VIEW,
        Permission.JOURNEY_VIEW,
        Permission.SETTINGS_VIEW,
    }
)
_ADMINISTRATORS = frozenset({Permission.TEAM_MANAGE, Permission.BILLING_MANAGE, Permission.AUDIT_VIEW})
GRANTS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission) - {Permission.PLATFORM},
    Role.MANAGER: frozenset(Permission) - _ADMINISTRATORS - {Permission.ADMINISTER, Permission.PLATFORM},
    Role.USER: _STAFF | {Permission.READ, Permission.BOOK},
}
# A coarse permission opens all of these at once, so who was given less than that does not have it.
COVERS: dict[Permission, frozenset[Permission]] = {
    Permission.READ: frozenset({Permission.CALLS_VIEW, Permission.APPOINTMENTS_VIEW, Permission.CUSTOMERS_VIEW}),
    Permission.BOOK: frozenset({Permission.APPOINTMENTS_MANAGE, Permission.CUSTOMERS_MANAGE}),
    Permission.CONFIGURE: frozenset({Permission.SETTINGS_MANAGE, Permission.WEBHOOKS_MANAGE}),
    Permission.ADMINISTER: _ADMINISTRATORS,
}


def granted(roles: tuple[str, ...], given: tuple[str, ...] | None = None) -> frozenset[Permission]:
    """What a member may do: what was `given` to him in so many words, else what his roles grant. An administrator
    may do everything."""
    known = {role.value: role for role in Role}
    by_role = frozenset[Permission]().union(*(GRANTS[known[name]] for name in roles if name in known))
    if given is None or Role.ADMIN.value in roles:
        return by_role
    words = {permission.value: permission for permission in Permission if permission.fine}
    fine = {words[word] for word in given if word in words}
    fine |= {words[seen] for one in fine if (seen := one.value.replace(".manage", ".view")) in words}
    return frozenset(fine) | {coarse for coarse, opened in COVERS.items() if opened <= fine}


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
    retention_days: int | None = None  # after which persons and words are forgotten; None: never
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
    avatar_url: str = ""
    active: bool = True
    platform_admin: bool = False  # runs the server: sees figures and users of all organizations
    created_at: datetime


class MemberState(StrEnum):
    INVITED = "invited"  # may not come in yet
    ACTIVE = "active"


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """`permissions` were given to this member in so many words; None: what the roles grant. `branch_ids` are those
    that he works in."""

    uid: str
    seq: int = 0
    user_uid: str
    organization_uid: str
    organization_id: str
    organization_seq: int = 0
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] | None = None
    branch_ids: tuple[int, ...] = ()
    state: MemberState = MemberState.ACTIVE
    invitation_hash: str | None = None
    invited_until: datetime | None = None


class Member(Membership, frozen=True, kw_only=True):
    """A membership as its organization sees it: with who it is."""

    user_seq: int
    email: str
    name: str
    created_at: datetime


class Device(msgspec.Struct, frozen=True):
    """Where a request comes from."""

    ip: str = ""
    user_agent: str = ""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One login. Its tokens are worth nothing once it is revoked or has expired."""

    uid: str
    seq: int = 0
    user_uid: str
    organization_uid: str
    surface: str
    ip: str = ""
    user_agent: str = ""
    seen_at: datetime | None = None  # the last request, to the minute
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    renewals: int = 0  # how often its refresh token was exchanged
    renewed_at: datetime | None = None  # when last

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
    permissions: tuple[str, ...] | None = None  # given to this member in so many words; None: what the roles grant
    platform_admin: bool = False

    def moved_to(self, membership: Membership) -> Principal:
        """With the rights of another membership of the same person, and no others."""
        return msgspec.structs.replace(
            self,
            organization_uid=membership.organization_uid,
            organization_id=membership.organization_id,
            roles=membership.roles,
            permissions=membership.permissions,
        )

    def may(self, permission: Permission) -> bool:
        if permission is Permission.PLATFORM:
            return self.platform_admin
        return permission in granted(self.roles, self.permissions)
