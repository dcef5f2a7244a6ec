"""Rows of connections to CRMs and of users who are on their way to make one."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.integrations import AuthorizationRequest, CrmKind, Integration
from voicecore.storage import records
from voicecore.storage.schema import authorization_requests as requests
from voicecore.storage.schema import integrations


async def add_request(connection: AsyncConnection, request: AuthorizationRequest) -> None:
    """Those that nobody came back with in time are removed."""
    await connection.execute(sa.delete(requests).where(requests.c.expires_at < request.created_at))
    await records.insert(connection, requests, request)


async def take_request(connection: AsyncConnection, uid: str) -> AuthorizationRequest | None:
    """Once: there is none the second time."""
    found = await records.first(connection, AuthorizationRequest, sa.select(requests).where(requests.c.uid == uid))
    if found is None:
        return None
    taken = await connection.execute(sa.delete(requests).where(requests.c.uid == uid))
    return found if taken.rowcount == 1 else None


async def find(connection: AsyncConnection, organization_uid: str, kind: CrmKind) -> Integration | None:
    query = sa.select(integrations).where(
        integrations.c.organization_uid == organization_uid, integrations.c.kind == kind.value
    )
    return await records.first(connection, Integration, query)


async def by_uid(connection: AsyncConnection, uid: str) -> Integration | None:
    return await records.first(connection, Integration, sa.select(integrations).where(integrations.c.uid == uid))


async def put(connection: AsyncConnection, integration: Integration) -> None:
    """The row of this workspace and kind, made or replaced. It keeps its uid: its log hangs on it."""
    key = {"organization_uid": integration.organization_uid, "kind": integration.kind.value}
    values = records.columns_of(integrations, integration)
    new = {name: values.pop(name) for name in ("uid", "created_at")}
    await records.put(connection, integrations, key, {n: v for n, v in values.items() if n not in key}, new=new)


async def lease_renewal(connection: AsyncConnection, integration: Integration, at: datetime, until: datetime) -> bool:
    """May the caller ask for fresh tokens? Not while somebody else does, or when the tokens are other ones already."""
    column = integrations.c
    statement = sa.update(integrations).where(
        column.uid == integration.uid,
        column.sealed_tokens == integration.sealed_tokens,
        sa.or_(column.renewing_until.is_(None), column.renewing_until <= at),
    )
    return (await connection.execute(statement.values(renewing_until=until))).rowcount == 1


async def end_renewal(
    connection: AsyncConnection, integration: Integration, sealed_tokens: str, expires_at: datetime | None
) -> bool:
    """Fresh tokens instead of those that `integration` has; the same ones when there are none. False when it was
    disconnected or connected anew meanwhile, and then nothing changes."""
    statement = sa.update(integrations).where(
        integrations.c.uid == integration.uid, integrations.c.sealed_tokens == integration.sealed_tokens
    )
    values = {"sealed_tokens": sealed_tokens, "expires_at": expires_at, "renewing_until": None}
    return (await connection.execute(statement.values(**values))).rowcount == 1


async def disconnect(connection: AsyncConnection, integration: Integration, trouble: str = "") -> bool:
    """Forget the tokens. False when they are other ones by now, and then nothing changes."""
    statement = sa.update(integrations).where(
        integrations.c.uid == integration.uid, integrations.c.sealed_tokens == integration.sealed_tokens
    )
    values = {
        "sealed_tokens": "",
        "expires_at": None,
        "renewing_until": None,
        "connected_at": None,
        "email": "",
        "trouble": trouble,
    }
    return (await connection.execute(statement.values(**values))).rowcount == 1


async def sealed(connection: AsyncConnection) -> list[tuple[str, str]]:
    """(uid, sealed tokens) of all connections."""
    query = sa.select(integrations.c.uid, integrations.c.sealed_tokens).where(integrations.c.sealed_tokens != "")
    return [(row.uid, row.sealed_tokens) for row in (await connection.execute(query)).all()]


async def reseal(connection: AsyncConnection, uid: str, sealed_tokens: str) -> None:
    statement = sa.update(integrations).where(integrations.c.uid == uid)
    await connection.execute(statement.values(sealed_tokens=sealed_tokens))
