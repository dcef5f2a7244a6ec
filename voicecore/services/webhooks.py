"""Subscriptions to what happens here, and the deliveries that are due to them. It does not know how they are sent."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec
import structlog

from pipelines.errors import ConfigError, NotFound, ValidationError
from voicecore.domain import instants
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.domain.webhooks import Delivery, DeliveryState, Fact, Subscription
from voicecore.services.attempts import LEASE, standing
from voicecore.services.secret_store import SecretStore
from voicecore.storage import outbox
from voicecore.storage.database import Database

MOST = 1000  # subscriptions of an organization on one surface
UNREADABLE = "the secret cannot be read with the server's key"

log = structlog.get_logger(__name__)


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
        self,
        organization_uid: str,
        surface: str,
        url: str,
        events: Sequence[Fact],
        secret: str,
        active: bool,
        name: str = "",
        most: int = MOST,
    ) -> tuple[Subscription, str]:
        """With a secret of our making where none is given; this is the only time it is told. `most` of them may be
        there then. Raises ValidationError."""
        await self._check(url)
        secret = secret or f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"
        subscription = Subscription(
            uid=new_uid(),
            organization_uid=organization_uid,
            external_id=new_external_id("wh"),
            surface=surface,
            name=name,
            url=url,
            events=tuple(dict.fromkeys(events)),
            sealed_secret=self._store.seal(secret),
            active=active,
            created_at=instants.now(),
        )
        async with self._database.write() as connection:
            if await outbox.count_of_surface(connection, organization_uid, surface) >= most:
                raise ValidationError(f"there are {most} webhooks already, which is the most")
            await outbox.subscribe(connection, subscription)
            stored = await outbox.subscription(connection, subscription.uid)
        assert stored is not None
        return stored, secret

    async def subscriptions(self, organization_uid: str, surface: str) -> list[Subscription]:
        """Oldest first."""
        async with self._database.read() as connection:
            return await outbox.of_surface(connection, organization_uid, surface)

    async def unsubscribe(self, organization_uid: str, surface: str, uid: str) -> None:
        """With what is still to be sent to it. Raises NotFound."""
        async with self._database.write() as connection:
            if not await outbox.unsubscribe(connection, organization_uid, surface, uid):
                raise NotFound("webhook not found")

    async def deliveries(
        self, organization_uid: str, surface: str, state: DeliveryState | None, page: Page
    ) -> Listing[Delivery]:
        """To subscribers of a surface, newest first."""
        async with self._database.read() as connection:
            return await outbox.listing(connection, organization_uid, surface, state, page)

    async def again(self, organization_uid: str, surface: str, delivery_id: str) -> Delivery:
        """From its first attempt on. Raises NotFound."""
        async with self._database.write() as connection:
            if not await outbox.is_told_by(connection, surface, organization_uid, delivery_id):
                raise NotFound("delivery not found")
            found = await outbox.queue.again(connection, organization_uid, delivery_id, instants.now())
        assert found is not None  # it was there, in this transaction
        return found

    async def due(self, at: datetime, most: int) -> list[Due]:
        """What is to be sent now; nobody else gets it meanwhile. A secret that cannot be opened fails its own delivery,
        and holds up no other."""
        async with self._database.read() as connection:
            if not await outbox.queue.any_due(connection, at):
                return []
        found: list[Due] = []
        async with self._database.write() as connection:
            for delivery in await outbox.queue.claim(connection, at, at + LEASE, most):
                subscription = await outbox.subscription(connection, delivery.subscription_uid)
                assert subscription is not None  # a foreign key says so
                try:
                    secret = self._store.unseal(subscription.sealed_secret, subscription.external_id)
                except ConfigError as error:
                    log.error("webhook_secret_unreadable", webhook=subscription.external_id, reason=error.message)
                    await outbox.queue.settle(connection, delivery.uid, _settled(delivery, None, UNREADABLE))
                    continue
                found.append(Due(delivery, subscription, secret))
        return found

    async def settle(self, delivery: Delivery, status: int | None, error: str, *, final: bool = False) -> Delivery:
        """One attempt is over; `error` "" when it succeeded. `final`: no other attempt can help."""
        settled = _settled(delivery, status, error, final=final)
        async with self._database.write() as connection:
            await outbox.queue.settle(connection, delivery.uid, settled)
        return settled


def _settled(delivery: Delivery, status: int | None, error: str, *, final: bool = False) -> Delivery:
    now_at = msgspec.structs.asdict(standing(delivery.attempts, error, final=final))
    return msgspec.structs.replace(delivery, last_status=status, **now_at)
