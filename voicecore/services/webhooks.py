"""Subscriptions to what happens here, and the deliveries that are due to them. It does not know how they are sent."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from pipelines.errors import NotFound
from voicecore.domain import instants
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.domain.webhooks import Delivery, DeliveryState, Fact, Subscription
from voicecore.services.secret_store import SecretStore
from voicecore.storage import outbox
from voicecore.storage.database import Database

# Seconds from one attempt to the next: eleven attempts within a day.
BACK_OFF_S = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 36000)
LEASE = timedelta(seconds=60)  # for one attempt; longer than any takes
LONGEST_ERROR = 300  # characters


class Due(msgspec.Struct, frozen=True):
    """An attempt to be made."""

    delivery: Delivery
    subscription: Subscription
    secret: str


class Webhooks:
    """`check` raises ValidationError for destinations that nobody may name."""

    def __init__(self, database: Database, store: SecretStore, check: Callable[[str], Awaitable[None]]) -> None:
        self._database = database
        self._store = store
        self._check = check

    async def subscribe(
        self, organization_uid: str, surface: str, url: str, events: Sequence[Fact], secret: str, active: bool
    ) -> tuple[Subscription, str]:
        """With a secret of our making where none is given; this is the only time it is told. Raises
        ValidationError."""
        await self._check(url)
        secret = secret or f"whsec_{secrets.token_urlsafe(32)}"
        subscription = Subscription(
            uid=new_uid(),
            organization_uid=organization_uid,
            external_id=new_external_id("wh"),
            surface=surface,
            url=url,
            events=tuple(dict.fromkeys(events)),
            sealed_secret=self._store.seal(secret),
            active=active,
            created_at=instants.now(),
        )
        async with self._database.write() as connection:
            await outbox.subscribe(connection, subscription)
        return subscription, secret

    async def deliveries(self, organization_uid: str, state: DeliveryState | None, page: Page) -> Listing[Delivery]:
        async with self._database.read() as connection:
            return await outbox.listing(connection, organization_uid, state, page)

    async def again(self, organization_uid: str, delivery_id: str) -> Delivery:
        """From its first attempt on. Raises NotFound."""
        async with self._database.write() as connection:
            found = await outbox.again(connection, organization_uid, delivery_id, instants.now())
        if found is None:
            raise NotFound("delivery not found")
        return found

    async def due(self, at: datetime, most: int) -> list[Due]:
        """What is to be sent now; nobody else gets it meanwhile."""
        async with self._database.read() as connection:
            if not await outbox.any_due(connection, at):
                return []
        found: list[Due] = []
        async with self._database.write() as connection:
            for delivery in await outbox.claim(connection, at, at + LEASE, most):
                subscription = await outbox.subscription(connection, delivery.subscription_uid)
                assert subscription is not None  # a foreign key says so
                secret = self._store.unseal(subscription.sealed_secret, subscription.external_id)
                found.append(Due(delivery, subscription, secret))
        return found

    async def settle(self, delivery: Delivery, status: int | None, error: str, *, final: bool = False) -> Delivery:
        """One attempt is over; `error` "" when it succeeded. `final`: no other attempt can help."""
        attempts = delivery.attempts + 1
        state, next_at = DeliveryState.DELIVERED, None
        if error:
            state = DeliveryState.DEAD
            if attempts <= len(BACK_OFF_S) and not final:
                state = DeliveryState.PENDING
                next_at = instants.now() + timedelta(seconds=BACK_OFF_S[attempts - 1])
        settled = msgspec.structs.replace(
            delivery,
            state=state,
            attempts=attempts,
            next_at=next_at,
            last_status=status,
            last_error=error[:LONGEST_ERROR],
        )
        async with self._database.write() as connection:
            await outbox.settle(connection, settled)
        return settled
