"""Workspaces: where a user works, what is selected there, its keys, and the features that are switched.

A workspace is an organization as the dashboard sees it. The user's choice holds on all his sessions of that surface.
"""

from __future__ import annotations

import secrets as randomness

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import NotFound, PermissionDenied, ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import Membership, Organization, Permission, Principal, Role
from voicecore.domain.ids import new_uid
from voicecore.domain.secrets import StoredSecret
from voicecore.domain.workspaces import Addon, Selection, Workspace
from voicecore.services.organizations import NewOrganization, Organizations
from voicecore.services.secret_store import SecretStore
from voicecore.storage import organizations as organization_rows
from voicecore.storage import secrets, tenants
from voicecore.storage import workspaces as rows
from voicecore.storage.database import Database

MISSING = "organization not found"
MOST = 200  # workspaces of one user
PRIVATE_KEY, PUBLIC_KEY = "dashboard_private_key", "dashboard_public_key"  # names of stored secrets
MODEL_KEY = "dashboard_openai_"  # the same, and something new for each key: an engine is known by the name


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Keys are "" where there is none, and for those who may not configure the workspace."""

    organization_uid: str
    private_key: str = ""
    public_key: str = ""
    model_key: str = ""
    selection: Selection


class SettingsPatch(msgspec.Struct, frozen=True, kw_only=True):
    """None keeps, "" empties. `workspace` is where the user works from now on; the rest is changed there."""

    workspace: str | None = None
    private_key: str | None = None
    public_key: str | None = None
    model_key: str | None = None
    assistant: str | None = None
    phone: str | None = None
    org: str | None = None

    @property
    def configures(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__struct_fields__ if name != "workspace")


class Workspaces:
    def __init__(self, database: Database, store: SecretStore, organizations: Organizations) -> None:
        self._database = database
        self._store = store
        self._organizations = organizations

    async def entered(self, principal: Principal) -> Principal:
        """Whoever asks, in the workspace that he has chosen; where he has lost it, in the one of his session."""
        async with self._database.read() as connection:
            chosen = await rows.chosen_by(connection, principal.user_uid)
            if chosen is None or chosen == principal.organization_uid:
                return principal
            membership = await _membership(connection, principal.user_uid, chosen)
        return principal if membership is None else principal.moved_to(membership)

    async def listing(self, user_uid: str) -> list[Workspace]:
        """In the order in which the user came to them."""
        async with self._database.read() as connection:
            mine = await tenants.memberships_of(connection, user_uid)
            found = await organization_rows.with_uids(connection, [one.organization_uid for one in mine])
        known = {one.uid: one for one in found}
        return [Workspace(organization=known[one.organization_uid], role=_highest(one.roles)) for one in mine]

    async def create(self, user_uid: str, name: str) -> Organization:
        """Raises ValidationError."""
        async with self._database.read() as connection:
            if len(await tenants.memberships_of(connection, user_uid)) >= MOST:
                raise ValidationError(f"a user has at most {MOST} workspaces")
        return await self._organizations.create(user_uid, NewOrganization(name=name))

    async def settings(self, principal: Principal) -> Settings:
        owner = principal.organization_uid
        async with self._database.read() as connection:
            selection = await rows.selection(connection, owner)
            keys = {}
            if principal.may(Permission.CONFIGURE):
                names = (
                    ("private_key", PRIVATE_KEY),
                    ("public_key", PUBLIC_KEY),
                    ("model_key", selection.model_secret),
                )
                keys = {member: await self._key(connection, owner, name) for member, name in names}
        return Settings(organization_uid=owner, selection=selection, **keys)

    async def change(self, principal: Principal, patch: SettingsPatch) -> None:
        """Raises NotFound for a workspace that the user does not belong to, PermissionDenied."""
        async with self._database.write() as connection:
            if patch.workspace:
                membership = await _membership(connection, principal.user_uid, patch.workspace)
                if membership is None:
                    raise NotFound(MISSING)
                await rows.choose(connection, principal.user_uid, membership.organization_uid)
                principal = principal.moved_to(membership)
            if patch.configures:
                if not principal.may(Permission.CONFIGURE):
                    raise PermissionDenied("not permitted")
                await self._configure(connection, principal.organization_uid, patch)

    async def _configure(self, connection: AsyncConnection, owner: str, patch: SettingsPatch) -> None:
        changes = {name: getattr(patch, name) for name in ("assistant", "phone", "org")}
        for name, value in ((PRIVATE_KEY, patch.private_key), (PUBLIC_KEY, patch.public_key)):
            if value is not None:
                await self._put_key(connection, owner, name, value)
        if patch.model_key is not None:
            old = (await rows.selection(connection, owner)).model_secret
            if patch.model_key != await self._key(connection, owner, old):
                await secrets.remove(connection, owner, old)
                changes["model_secret"] = MODEL_KEY + randomness.token_hex(4) if patch.model_key else ""
                await self._put_key(connection, owner, changes["model_secret"], patch.model_key)
        given = {name: value for name, value in changes.items() if value is not None}
        if given:
            await rows.select(connection, owner, given)

    async def _put_key(self, connection: AsyncConnection, owner: str, name: str, value: str) -> None:
        if value:
            sealed = self._store.seal(value)
            await secrets.put(connection, StoredSecret(new_uid(), owner, name, sealed, instants.now()))
        else:
            await secrets.remove(connection, owner, name)

    async def _key(self, connection: AsyncConnection, owner: str, name: str) -> str:
        """The workspace's own, never everybody's."""
        found = await secrets.find(connection, owner, name) if name else None
        if found is None or found.organization_uid != owner:
            return ""
        return self._store.unseal(found.ciphertext, name)

    async def addons(self, organization_uid: str) -> frozenset[Addon]:
        """Those that are switched on."""
        async with self._database.read() as connection:
            return await rows.switched_on(connection, organization_uid)

    async def switch(self, organization_uid: str, addon: Addon, enabled: bool) -> None:
        async with self._database.write() as connection:
            await rows.switch(connection, organization_uid, addon, enabled)


async def _membership(connection: AsyncConnection, user_uid: str, organization_uid: str) -> Membership | None:
    mine = await tenants.memberships_of(connection, user_uid)
    return next((one for one in mine if one.organization_uid == organization_uid), None)


def _highest(roles: tuple[str, ...]) -> str:
    return next((role.value for role in Role if role.value in roles), Role.USER.value)
