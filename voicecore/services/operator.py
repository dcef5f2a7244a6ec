"""What the person at the machine may see: the calls of every organization. No client's request comes here.

It opens the server's own database beside a running server; SQLite in WAL mode and PostgreSQL both allow it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from config.schema import ServerSettings
from pipelines.errors import ConfigError, NotFound
from voicecore.domain.accounts import Organization
from voicecore.domain.calls import Call, CallFilter
from voicecore.domain.paging import Page
from voicecore.services import demo
from voicecore.services.calls import CallDetail, Calls
from voicecore.services.passwords import Passwords
from voicecore.services.secret_store import SecretStore, master_keys
from voicecore.services.seed_format import Tally
from voicecore.services.seeding import Seeder
from voicecore.services.user_desk import UserDesk
from voicecore.storage import tenants
from voicecore.storage.database import Database
from voicecore.storage.engines import sqlite_url

DATABASE_FILE = "voicecore.db"  # inside the data directory
PAGE = 200


class OperatorCall(msgspec.Struct, frozen=True):
    organization: str
    call: Call


def database_url(settings: ServerSettings) -> str:
    """The configured database, or the file inside the data directory."""
    return settings.database_url or sqlite_url(Path(settings.data) / DATABASE_FILE)


def database_is_ours(settings: ServerSettings) -> bool:
    """Only this process writes to it, but for the operator's commands."""
    file = database_url(settings).startswith("sqlite")
    return settings.workers == 1 and (file or not settings.database_shared)


@contextlib.asynccontextmanager
async def opened(settings: ServerSettings, *, create: bool = False) -> AsyncIterator[Operator]:
    """Raises NotFound when there is no database yet (unless `create`), ConfigError when it cannot be opened."""
    file = Path(settings.data) / DATABASE_FILE
    try:
        if not settings.database_url and not create and not file.exists():
            raise NotFound(f"no calls yet: {file} does not exist (voicecore serve makes it; --data names its folder)")
        if not settings.database_url:
            file.parent.mkdir(parents=True, exist_ok=True)
        database = await Database.open(database_url(settings))
    except (SQLAlchemyError, OSError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ConfigError(f"the database cannot be opened: {reason}", source="settings") from error
    try:
        yield Operator(database)
    finally:
        await database.close()


class Operator:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._calls = Calls(database)

    async def _organizations(self) -> list[Organization]:
        async with self._database.read() as connection:
            return await tenants.all_organizations(connection)

    async def only_demo(self) -> bool:
        """Whether nobody but the demo organization is here, who would get the demo call on the books."""
        return [organization.external_id for organization in await self._organizations()] == [demo.ORGANIZATION]

    async def seed(self, file: Path) -> Tally:
        """Provision what a seed file says. Raises ConfigError; then nothing was written."""
        passwords = Passwords()
        try:
            return await Seeder(self._database, passwords).seed(file)
        finally:
            passwords.close()

    def secrets(self, settings: ServerSettings) -> SecretStore:
        return SecretStore(self._database, master_keys(settings))

    @contextlib.asynccontextmanager
    async def users(self) -> AsyncIterator[UserDesk]:
        passwords = Passwords()
        try:
            yield UserDesk(self._database, passwords)
        finally:
            passwords.close()

    async def recent(self, limit: int) -> list[OperatorCall]:
        """Newest first, over all organizations."""
        found = []
        for organization in await self._organizations():
            page = await self._calls.listing(organization.uid, CallFilter(), Page(0, limit))
            found += [OperatorCall(organization.external_id, call) for call in page.listing.rows]
        found.sort(key=lambda row: row.call.created_at, reverse=True)
        return found[:limit]

    async def find(self, name: str) -> CallDetail:
        """By id, the carrier's call sid, or an unambiguous beginning of either. Raises NotFound."""
        matches: dict[str, tuple[str, str]] = {}
        for organization in await self._organizations():
            async for call in self._every(organization.uid):
                if name in (call.external_id, call.sid):
                    return await self._calls.get(organization.uid, call.external_id)
                if name and (call.external_id.startswith(name) or call.sid.startswith(name)):
                    matches[call.uid] = (organization.uid, call.external_id)
        if len(matches) != 1:
            raise NotFound(f'{len(matches)} calls begin with "{name}"' if matches else f'no call "{name}"')
        return await self._calls.get(*matches.popitem()[1])

    async def _every(self, organization_uid: str) -> AsyncIterator[Call]:
        offset = 0
        while True:
            page = await self._calls.listing(organization_uid, CallFilter(), Page(offset, PAGE))
            for call in page.listing.rows:
                yield call
            offset += PAGE
            if offset >= page.listing.total:
                return
