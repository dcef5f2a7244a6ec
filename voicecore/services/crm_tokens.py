"""Tokens of connections to CRMs: kept sealed, and fresh when somebody needs one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import msgspec
import structlog

from pipelines.errors import ConfigError
from voicecore.domain import instants
from voicecore.domain.integrations import CrmKind, CrmRefused, CrmUnavailable, Grant, GrantLost, Integration
from voicecore.services.crm_vendors import Vendor
from voicecore.services.secret_store import SecretStore
from voicecore.storage import integrations as rows
from voicecore.storage import sync_logs
from voicecore.storage.database import Database

EARLY = timedelta(minutes=2)  # tokens are renewed so long before their end
RENEWAL = timedelta(seconds=30)  # how long one process may take for it
BUSY_S = 3.0

log = structlog.get_logger(__name__)


class _Pair(msgspec.Struct, frozen=True):
    """What is sealed."""

    access_token: str
    refresh_token: str


class CrmTokens:
    def __init__(self, database: Database, store: SecretStore, vendors: Mapping[CrmKind, Vendor]) -> None:
        self._database = database
        self._store = store
        self._vendors = vendors
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def access_token(self, integration_uid: str, refused: str = "") -> str:
        """One that should be accepted: not `refused`, and not about to end. Raises GrantLost when the connection is
        over, CrmRefused, CrmUnavailable."""
        lock = self._locks.setdefault(integration_uid, asyncio.Lock())
        async with lock:
            integration = await self._present(integration_uid)
            pair = self._pair(integration)
            if pair.access_token != refused and not _ends_soon(integration.expires_at):
                return pair.access_token
            return await self._renewed(integration, pair)

    async def _present(self, integration_uid: str) -> Integration:
        async with self._database.read() as connection:
            found = await rows.by_uid(connection, integration_uid)
        if found is None or found.connected_at is None:
            raise GrantLost("not connected")
        return found

    async def _renewed(self, integration: Integration, pair: _Pair) -> str:
        now = instants.now()
        async with self._database.append() as connection:
            if not await rows.lease_renewal(connection, integration, now, now + RENEWAL):
                raise CrmUnavailable("another process renews the tokens", BUSY_S)
        sealed, expires_at = integration.sealed_tokens, integration.expires_at
        try:
            grant = await self._vendors[integration.kind].refresh(pair.refresh_token, integration.instance_url)
            pair = _Pair(grant.access_token, grant.refresh_token)
            sealed, expires_at = self.sealed(grant), grant.expires_at
        except GrantLost as error:
            async with self._database.append() as connection:
                if await rows.disconnect(connection, integration, error.message):
                    await sync_logs.give_up(connection, integration.uid, error.message)
            log.warning("crm_grant_lost", kind=integration.kind.value, reason=error.message)
            raise
        finally:
            async with self._database.append() as connection:
                current = await rows.end_renewal(connection, integration, sealed, expires_at)
        if not current:
            raise CrmUnavailable("the connection was changed meanwhile", BUSY_S)
        return pair.access_token

    async def revoke(self, integration: Integration) -> None:
        """Tell the vendor, if he can be told, that nobody needs them any more."""
        try:
            await self._vendors[integration.kind].revoke(self._pair(integration).refresh_token)
        except (CrmRefused, CrmUnavailable, ConfigError) as error:
            log.warning("crm_not_revoked", kind=integration.kind.value, reason=error.message)

    def sealed(self, grant: Grant) -> str:
        return self._store.seal(msgspec.json.encode(_Pair(grant.access_token, grant.refresh_token)).decode())

    def _pair(self, integration: Integration) -> _Pair:
        return msgspec.json.decode(self._store.unseal(integration.sealed_tokens, integration.kind.value), type=_Pair)


def _ends_soon(expires_at: datetime | None) -> bool:
    return expires_at is not None and expires_at - EARLY <= instants.now()
