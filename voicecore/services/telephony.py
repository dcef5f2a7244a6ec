"""The exchanges that clients run: kept with a sealed password, and knocked at to see whether they are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from pipelines.errors import NotFound
from voicecore.domain import instants
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.domain.telephony import Knock, TelephonyProvider
from voicecore.services.secret_store import SecretStore
from voicecore.storage import telephony as rows
from voicecore.storage.database import Database

MISSING = "provider not found"

Knocker = Callable[[str, int], Awaitable[Knock]]


class NewProvider(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: str
    host: str
    port: int
    username: str = ""
    password: str = ""
    context: str = ""

    def __repr__(self) -> str:
        return f"NewProvider({self.name!r})"  # never the password


class Telephony:
    """`knock` tries a host and a port."""

    def __init__(self, database: Database, store: SecretStore, knock: Knocker) -> None:
        self._database = database
        self._store = store
        self._knock = knock

    async def listing(self, organization_uid: str, page: Page) -> Listing[TelephonyProvider]:
        """Oldest first."""
        async with self._database.read() as connection:
            return await rows.listing(connection, organization_uid, page)

    async def add(self, organization_uid: str, wanted: NewProvider) -> TelephonyProvider:
        """Its number (`seq`) is known by then."""
        external_id = new_external_id("prov")
        provider = TelephonyProvider(
            uid=new_uid(),
            organization_uid=organization_uid,
            external_id=external_id,
            name=wanted.name,
            kind=wanted.kind,
            host=wanted.host,
            port=wanted.port,
            username=wanted.username,
            sealed_password=self._store.seal(wanted.password) if wanted.password else "",
            context=wanted.context,
            created_at=instants.now(),
        )
        async with self._database.write() as connection:
            await rows.add(connection, provider)
            found = await rows.find(connection, organization_uid, external_id)
        assert found is not None
        return found

    async def test(self, organization_uid: str, seq: int) -> tuple[TelephonyProvider, Knock]:
        """Raises NotFound, also for another organization's."""
        async with self._database.read() as connection:
            found = await rows.with_seq(connection, organization_uid, seq)
        if found is None:
            raise NotFound(MISSING)
        return found, await self._knock(found.host, found.port)
