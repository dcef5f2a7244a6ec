"""Sends what is due to webhooks: signed, to public destinations, bounded in time and number.

What is said, and how its document signs it, is the surface's affair; every request carries besides the three headers of
Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog

from voicecore.destinations import Destinations, PrivateDestination
from voicecore.dispatch import AT_ONCE, Dispatch
from voicecore.domain import instants
from voicecore.services.webhooks import Due, Webhooks

ATTEMPT_S = 15.0
GONE = 410  # RFC 9110 §15.5.11: it will not come back

log = structlog.get_logger(__name__)


class Message(msgspec.Struct, frozen=True):
    """What one request says: a JSON body, and the headers that the surface's document asks for."""

    body: bytes
    headers: dict[str, str] = {}


class Envoy(Protocol):
    """Speaks to the subscribers of one surface."""

    async def message(self, due: Due, timestamp: int) -> Message | None:
        """None: what it was about is gone. `timestamp`: unix seconds of the attempt."""
        ...


def standard_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """A secret that begins with "whsec_" is base64 in Standard Webhooks; any other is taken as it is."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    standard = base64.b64encode(hmac.new(_standard_key(secret), signed, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "voicecore-webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{standard}",
    }


def _standard_key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()


class Courier(Dispatch[Due]):
    """To the webhooks of every surface."""

    def __init__(self, webhooks: Webhooks, envoys: Mapping[str, Envoy], destinations: Destinations) -> None:
        super().__init__()
        self._webhooks = webhooks
        self._envoys = envoys
        self._destinations = destinations
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        await super().close()
        if self._session is not None:
            await self._session.close()

    async def _due(self, most: int) -> list[Due]:
        return await self._webhooks.due(instants.now(), most)

    async def _attempt(self, due: Due) -> None:
        timestamp = int(instants.now().timestamp())
        message = await self._envoys[due.subscription.surface].message(due, timestamp)
        if message is None:
            await self._webhooks.settle(due.delivery, None, "what it was about is gone", final=True)
            return
        status, error = await self._sent(due, message, timestamp)
        settled = await self._webhooks.settle(due.delivery, status, error, final=status == GONE)
        if error:
            log.info("webhook_failed", delivery=settled.external_id, attempt=settled.attempts, reason=error)

    async def _sent(self, due: Due, message: Message, timestamp: int) -> tuple[int | None, str]:
        """The status, if there was one, and what went wrong, if anything."""
        url = due.subscription.url
        if self._destinations.literal_refused(urlsplit(url).hostname or ""):
            return None, "not a public address"
        headers = message.headers | standard_headers(due.secret, due.delivery.external_id, timestamp, message.body)
        try:
            async with self._client().post(url, data=message.body, headers=headers, allow_redirects=False) as response:
                return response.status, "" if response.status // 100 == 2 else f"answered {response.status}"
        except TimeoutError:
            return None, f"no answer within {ATTEMPT_S:g} s"
        except (aiohttp.ClientError, PrivateDestination, OSError, ValueError) as error:
            return None, f"{type(error).__name__}: {error}"

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No cache of names: each connection is to an address that was checked for it.
            connector = aiohttp.TCPConnector(resolver=self._destinations, use_dns_cache=False, limit=AT_ONCE)
            timeout = aiohttp.ClientTimeout(total=ATTEMPT_S)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session
