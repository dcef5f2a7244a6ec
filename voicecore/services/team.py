"""The members of an organization: inviting, changing what they may do, removing. Nobody can give what he does not have
himself, and there is always an administrator.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import AuthenticationError, NotFound, PermissionDenied, ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import (
    Device,
    Member,
    Membership,
    MemberState,
    Permission,
    Principal,
    Role,
    User,
    granted,
)
from voicecore.domain.emails import checked_email
from voicecore.domain.ids import new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.services.accounts import REFUSED, Accounts, Grant
from voicecore.services.passwords import Passwords, check_password
from voicecore.services.second_factors import SecondFactors
from voicecore.storage import second_factors, team, tenants
from voicecore.storage.database import Database

MISSING = "team member not found"
INVITATION_LIFE = timedelta(days=7)
LAST_ADMINISTRATOR = "must stay administrator: the organization has no other"
BAD_INVITATION = "is unknown, used, taken back or out of date"
FINE = {permission.value for permission in Permission if permission.fine}


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """`permissions` None: what the role grants."""

    email: str
    name: str = ""
    role: Role = Role.USER
    permissions: tuple[str, ...] | None = None
    branch_ids: tuple[int, ...] = ()


class MemberPatch(msgspec.Struct, frozen=True, kw_only=True):
    """None: as it is."""

    role: Role | None = None
    permissions: tuple[str, ...] | None = None
    branch_ids: tuple[int, ...] | None = None


class Team:
    def __init__(self, database: Database, accounts: Accounts, passwords: Passwords, factors: SecondFactors) -> None:
        self._database = database
        self._accounts = accounts
        self._passwords = passwords
        self._factors = factors

    async def listing(self, organization_uid: str, page: Page) -> tuple[Listing[Member], set[str]]:
        """Oldest first; and which of these users have a second factor."""
        async with self._database.read() as connection:
            found = await team.listing(connection, organization_uid, page)
            uids = [member.user_uid for member in found.rows]
            return found, await second_factors.verified_among(connection, uids)

    async def invite(self, who: Principal, wanted: Invitation) -> tuple[Member, str]:
        """The member to be, and the token by which he comes in: told this once. Raises ValidationError,
        PermissionDenied."""
        email = checked_email(wanted.email)
        _check_gift(who, wanted.role, wanted.permissions)
        token, now = secrets.token_urlsafe(32), instants.now()
        try:
            async with self._database.write() as connection:
                user = await tenants.user_by_email(connection, email)
                if user is None:
                    user = User(uid=new_uid(), email=email, name=wanted.name, created_at=now)
                    await team.add_user(connection, user)
                membership = Membership(
                    uid=new_uid(),
                    user_uid=user.uid,
                    organization_uid=who.organization_uid,
                    organization_id=who.organization_id,
                    roles=(wanted.role.value,),
                    permissions=wanted.permissions,
                    branch_ids=wanted.branch_ids,
                    state=MemberState.INVITED,
                    invitation_hash=_hashed(token),
                    invited_until=now + INVITATION_LIFE,
                )
                await team.add(connection, membership, created_at=now)
                made = await team.invited(connection, _hashed(token))
        except IntegrityError as error:
            raise ValidationError("already a member", (("email", "has already been taken"),)) from error
        assert made is not None  # it was just made
        return made, token

    async def join(
        self,
        token: str,
        email: str,
        password: str,
        name: str,
        surface: str,
        lifetime_s: int,
        *,
        code: str = "",
        device: Device,
    ) -> Grant:
        """An invitation is accepted, by whoever has the token: a new user with the password that he chooses, a known
        one with his own. Raises ValidationError, AuthenticationError."""
        async with self._database.read() as connection:
            member = await team.invited(connection, _hashed(token))
            user = await tenants.user(connection, member.user_uid) if member else None
        if member is None or user is None or user.email != checked_email(email):
            raise _bad_invitation()
        if member.invited_until is None or member.invited_until <= instants.now():
            raise _bad_invitation()
        known = bool(user.password_hash)
        if known:
            if not user.active or not await self._passwords.verify(user.password_hash, password):
                raise AuthenticationError(REFUSED)
            await self._factors.prove(user.uid, code)
        else:
            check_password(password)
            user = msgspec.structs.replace(
                user, name=name or user.name, password_hash=await self._passwords.hash(password)
            )
        async with self._database.write() as connection:
            if not await team.accept(connection, member.uid):
                raise _bad_invitation()
            if not known and not await tenants.admit(connection, user):
                raise _bad_invitation()
        return await self._accounts.opened(user, member, surface, lifetime_s, device)

    async def change(self, who: Principal, user_seq: int, patch: MemberPatch) -> tuple[Member, bool]:
        """The member as he is now, and whether he has a second factor. Raises NotFound, PermissionDenied,
        ValidationError."""
        async with self._database.write() as connection:
            old = await _found(connection, who.organization_uid, user_seq)
            _check_reach(who, old)
            _check_gift(who, patch.role, patch.permissions)
            if patch.role not in (None, Role.ADMIN):
                await _check_last(connection, old, "role")
            changes = {
                "roles": None if patch.role is None else (patch.role.value,),
                "permissions": patch.permissions,
                "branch_ids": patch.branch_ids,
            }
            given = {name: value for name, value in changes.items() if value is not None}
            if given:
                await team.change(connection, old.uid, given)
            factors = await second_factors.verified_among(connection, [old.user_uid])
            return await _found(connection, who.organization_uid, user_seq), bool(factors)

    async def remove(self, who: Principal, user_seq: int) -> None:
        """His tokens of this organization are worthless from now on. Raises NotFound, PermissionDenied,
        ValidationError."""
        async with self._database.write() as connection:
            old = await _found(connection, who.organization_uid, user_seq)
            _check_reach(who, old)
            await _check_last(connection, old, "id")
            await team.remove(connection, old.uid)
            await tenants.revoke_sessions_of(connection, old.user_uid, who.organization_uid, instants.now())


async def _found(connection: AsyncConnection, organization_uid: str, user_seq: int) -> Member:
    found = await team.member(connection, organization_uid, user_seq)
    if found is None:
        raise NotFound(MISSING)
    return found


def _check_gift(who: Principal, role: Role | None, permissions: tuple[str, ...] | None) -> None:
    """Raises ValidationError for what does not exist, PermissionDenied for what he does not have himself."""
    unknown = [(f"permissions.{i}", "is unknown") for i, word in enumerate(permissions or ()) if word not in FINE]
    if unknown:
        raise ValidationError("unknown permission", tuple(unknown))
    own = granted(who.roles, who.permissions)
    wanted = granted((role.value,) if role else (), permissions) if role or permissions else frozenset[Permission]()
    if not wanted <= own or (role is Role.ADMIN and Role.ADMIN.value not in who.roles):
        raise PermissionDenied("nobody can give what he does not have himself")


def _check_reach(who: Principal, member: Member) -> None:
    """Raises PermissionDenied: administrators are changed by administrators."""
    if Role.ADMIN.value in member.roles and Role.ADMIN.value not in who.roles:
        raise PermissionDenied("only an administrator can change an administrator")


async def _check_last(connection: AsyncConnection, member: Member, field: str) -> None:
    """Raises ValidationError when nobody would be left who administers."""
    if await team.administrators(connection, member.organization_uid) == [member.uid]:
        raise ValidationError("last administrator", ((field, LAST_ADMINISTRATOR),))


def _bad_invitation() -> ValidationError:
    return ValidationError("bad invitation", (("invitation_token", BAD_INVITATION),))


def _hashed(token: str) -> str:
    """256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
