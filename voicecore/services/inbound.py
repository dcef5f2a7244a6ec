"""Addresses of ours that others post events to: who may post is whoever knows the address, and what was signed with its
secret is told apart. What arrives is kept, the newest of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping

from pipelines.errors import AuthenticationError, MessageTooLarge, NotFound, ValidationError
from voicecore.domain import instants
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Page
from voicecore.domain.workspaces import InboundEvent, InboundWebhook
from voicecore.services.secret_store import SecretStore
from voicecore.storage import inbound as rows
from voicecore.storage.database import Database

MISSING = "webhook not found"
WRONG_SIGNATURE = "invalid signature"
MOST = 200  # webhooks of an organization
MOST_KEPT = 100  # events of a webhook
LONGEST_BODY = 256 * 1024  # bytes
LONGEST_TYPE = 200
TOLERANCE_S = 300  # Standard Webhooks: how far the sender's clock may be off, so that nothing can be played again later


class Inbound:
    def __init__(self, database: Database, store: SecretStore) -> None:
        self._database = database
        self._store = store

    async def listing(self, organization_uid: str) -> list[InboundWebhook]:
        """Oldest first."""
        async with self._database.read() as connection:
            return await rows.of_organization(connection, organization_uid)

    async def create(self, organization_uid: str, name: str) -> tuple[InboundWebhook, str]:
        """With its secret, which is told this once. Raises ValidationError."""
        secret = f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"
        webhook = InboundWebhook(
            uid=new_uid(),
            organization_uid=organization_uid,
            name=name,
            token=new_external_id("wh") + secrets.token_hex(8),
            sealed_secret=self._store.seal(secret),
            created_at=instants.now(),
        )
        async with self._database.append() as connection:
            if await rows.count(connection, organization_uid) >= MOST:
                raise ValidationError(f"a workspace has at most {MOST} webhooks")
            await rows.add(connection, webhook)
        return webhook, secret

    async def remove(self, organization_uid: str, uid: str) -> None:
        """With everything that was posted to it. Raises NotFound."""
        async with self._database.append() as connection:
            if not await rows.remove(connection, organization_uid, uid):
                raise NotFound(MISSING)

    async def receive(self, token: str, body: bytes, headers: Mapping[str, str]) -> InboundEvent:
        """Keep what was posted. Raises NotFound, MessageTooLarge, ValidationError for what is no text,
        AuthenticationError for a signature that is wrong."""
        async with self._database.read() as connection:
            webhook = await rows.with_token(connection, token)
        if webhook is None:
            raise NotFound(MISSING)
        if len(body) > LONGEST_BODY:
            raise MessageTooLarge("request body too large")
        signed = rightly_signed(self._store.unseal(webhook.sealed_secret, webhook.name), body, headers)
        if signed is False:
            raise AuthenticationError(WRONG_SIGNATURE)
        event = InboundEvent(
            uid=new_uid(),
            organization_uid=webhook.organization_uid,
            webhook_uid=webhook.uid,
            content_type=headers.get("Content-Type", "")[:LONGEST_TYPE],
            body=_text(body),
            signed=bool(signed),
            created_at=instants.now(),
        )
        async with self._database.append() as connection:
            await rows.keep(connection, event, MOST_KEPT)
        return event

    async def received(self, organization_uid: str, uid: str, page: Page) -> list[InboundEvent]:
        """Newest first. Raises NotFound."""
        async with self._database.read() as connection:
            if await rows.find(connection, organization_uid, uid) is None:
                raise NotFound(MISSING)
            return await rows.received(connection, organization_uid, uid, page)


def _text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ValidationError("the body must be UTF-8 text", (("body", "must be UTF-8 text"),)) from error
    if "\x00" in text:
        raise ValidationError("the body must not contain NUL", (("body", "must not contain NUL"),))
    return text


def rightly_signed(secret: str, body: bytes, headers: Mapping[str, str]) -> bool | None:
    """None: nobody signed it. Three ways are known: the secret itself (`X-Webhook-Secret`), HMAC-SHA256 of the body in
    hex (`X-Webhook-Signature: sha256=…`), and Standard Webhooks
    (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)."""
    if "webhook-signature" in headers:
        return _standard(secret, body, headers)
    if "X-Webhook-Signature" in headers:
        given = headers["X-Webhook-Signature"].strip().removeprefix("sha256=").lower()
        return _same(given, hmac.new(secret.encode(), body, hashlib.sha256).hexdigest())
    if "X-Webhook-Secret" in headers:
        return _same(headers["X-Webhook-Secret"].strip(), secret)
    return None


def _standard(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 15):
        return False
    if abs(int(stamp) - instants.now().timestamp()) > TOLERANCE_S:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode("utf-8", "replace") + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(_same(one, right) for one in headers["webhook-signature"].split())


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
