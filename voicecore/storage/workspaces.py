"""Rows of workspaces: which one a user works in, what is selected there, and the features that are switched."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.ids import new_uid
from voicecore.domain.workspaces import SWITCHED_ON, Addon, Selection
from voicecore.storage import records
from voicecore.storage.schema import addons, workspace_choices, workspace_settings


async def chosen_by(connection: AsyncConnection, user_uid: str) -> str | None:
    """The organization that a user works in, if he has chosen one."""
    query = sa.select(workspace_choices.c.organization_uid).where(workspace_choices.c.user_uid == user_uid)
    return (await connection.execute(query)).scalar()


async def choose(connection: AsyncConnection, user_uid: str, organization_uid: str) -> None:
    values = {"organization_uid": organization_uid}
    await records.put(connection, workspace_choices, {"user_uid": user_uid}, values, new={"uid": new_uid()})


async def selection(connection: AsyncConnection, organization_uid: str) -> Selection:
    query = sa.select(workspace_settings).where(workspace_settings.c.organization_uid == organization_uid)
    return await records.first(connection, Selection, query) or Selection()


async def select(connection: AsyncConnection, organization_uid: str, changes: dict[str, str]) -> None:
    """Change these members of the selection, keep the others."""
    await records.put(
        connection, workspace_settings, {"organization_uid": organization_uid}, changes, new={"uid": new_uid()}
    )


async def switched_on(connection: AsyncConnection, organization_uid: str) -> frozenset[Addon]:
    query = sa.select(addons.c.kind, addons.c.enabled).where(addons.c.organization_uid == organization_uid)
    said: dict[str, Any] = {row.kind: row.enabled for row in (await connection.execute(query)).all()}
    return frozenset(addon for addon in Addon if said.get(addon.value, addon in SWITCHED_ON))


async def switch(connection: AsyncConnection, organization_uid: str, addon: Addon, enabled: bool) -> None:
    key = {"organization_uid": organization_uid, "kind": addon.value}
    await records.put(connection, addons, key, {"enabled": enabled}, new={"uid": new_uid()})
