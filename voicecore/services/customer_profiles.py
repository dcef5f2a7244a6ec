"""Customers with what follows from their appointments: lists of them, and one with how far he has come."""

from __future__ import annotations

from datetime import datetime

import msgspec

from pipelines.errors import NotFound
from voicecore.domain import instants
from voicecore.domain.counted import Counted
from voicecore.domain.customer_figures import (
    ENGAGED_WITHIN,
    CustomerCard,
    CustomerFilter,
    CustomerSort,
    stage_since,
)
from voicecore.domain.paging import Listing, Page
from voicecore.services.customer_file import MISSING
from voicecore.storage import customer_figures as rows
from voicecore.storage.database import Database
from voicecore.storage.numbers import uid_of


class CustomerProfile(msgspec.Struct, frozen=True):
    card: CustomerCard
    stage_since: datetime


class CustomerProfiles:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def listing(
        self, organization_uid: str, wanted: CustomerFilter, page: Page, sort: CustomerSort, *, descending: bool
    ) -> Listing[CustomerCard]:
        async with self._database.read() as connection:
            return await rows.listing(connection, organization_uid, wanted, page, sort, descending)

    async def with_seq(self, organization_uid: str, seq: int) -> CustomerProfile:
        """Raises NotFound, also for another organization's."""
        async with self._database.read() as connection:
            uid = await uid_of(connection, organization_uid, Counted.CUSTOMER, seq)
            if uid is None:
                raise NotFound(MISSING)
            since = instants.now() - ENGAGED_WITHIN
            card = (await rows.of_customers(connection, organization_uid, [uid], since))[uid]
            stood = await rows.stood(connection, organization_uid, uid)
        return CustomerProfile(card, stage_since(stood, card.customer.created_at))
