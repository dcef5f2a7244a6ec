"""Keeps the trail of changes, of all surfaces, and lets an organization read its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from voicecore.domain import instants
from voicecore.domain.accounts import Device, Principal
from voicecore.domain.audit import DENIED, AuditEntry, AuditFilter, Deed, NamedEntry, Risk, kept
from voicecore.domain.ids import new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.storage import audit as rows
from voicecore.storage.database import Database

log = structlog.get_logger(__name__)


def entry(
    organization_uid: str, user_uid: str | None, surface: str, device: Device, deed: Deed, **more: Any
) -> AuditEntry:
    """As of now."""
    return AuditEntry(
        uid=new_uid(),
        organization_uid=organization_uid,
        user_uid=user_uid,
        surface=surface,
        action=deed.action,
        model_type=deed.model_type,
        risk_level=deed.risk,
        ip=device.ip,
        user_agent=device.user_agent,
        created_at=instants.now(),
        **more,
    )


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def changed(self, who: Principal, device: Device, deed: Deed, model_id: str, sent: Mapping[str, Any]) -> None:
        """`sent`: the members of the request. What was done stays done when this cannot be stored; the log says so."""
        await self._store(
            entry(
                who.organization_uid,
                who.user_uid,
                who.surface,
                device,
                deed,
                model_id=model_id,
                changes=kept(deed.model_type, sent),
            )
        )

    async def denied(self, who: Principal, device: Device, deed: Deed, model_id: str) -> None:
        """Somebody asked for what he may not do."""
        refused = Deed(DENIED, deed.model_type, Risk.HIGH)
        changes = {"attempted": deed.action}
        await self._store(
            entry(who.organization_uid, who.user_uid, who.surface, device, refused, model_id=model_id, changes=changes)
        )

    async def listing(self, organization_uid: str, wanted: AuditFilter, page: Page) -> Listing[NamedEntry]:
        """Newest first."""
        async with self._database.read() as connection:
            return await rows.listing(connection, organization_uid, wanted, page)

    async def _store(self, made: AuditEntry) -> None:
        try:
            async with self._database.append() as connection:
                await rows.add(connection, made)
        except SQLAlchemyError as error:
            log.error("audit_failed", action=made.action, surface=made.surface, reason=type(error).__name__)
