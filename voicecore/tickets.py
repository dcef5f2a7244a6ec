"""Tokens that stand in the path of a media URL: made by the voice webhook, good for one call, once.

Stateless but for the memory of the used ones, which processes tell each other, so any of them can take the
call. The token is in the path because carriers strip the query string of a media URL.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

import msgspec

from pipelines.errors import AuthenticationError
from voicecore.calling import Ticket
from voicecore.fellows import Fellows

LIFETIME_S = 120  # from the webhook's answer to the carrier's connection: seconds at most
USED = "ticket_used"
NONCE_BYTES = 6
SIGNATURE_BYTES = 16  # of HMAC-SHA256: as strong as a 128-bit random token


class _Claims(msgspec.Struct, array_like=True, frozen=True):
    expires: int
    call_sid: str
    agent_id: str
    from_number: str
    to_number: str
    placed_uid: str
    nonce: str  # two tickets of one call in one second: each is good once


class Tickets:
    """Issues and redeems. `now_s` is wall time: tickets may be redeemed by another process."""

    def __init__(self, secret: bytes, fellows: Fellows, now_s: Callable[[], float] = time.time) -> None:
        self._fellows = fellows
        fellows.on_told(USED, self._used_elsewhere)
        self._key = hmac.digest(secret, b"media", hashlib.sha256)
        self._now_s = now_s
        self._used: dict[bytes, int] = {}

    def issue(self, ticket: Ticket) -> str:
        expires = int(self._now_s()) + LIFETIME_S
        numbers = ticket.from_number, ticket.to_number, ticket.placed_uid
        claims = _Claims(expires, ticket.call_sid, ticket.agent_id, *numbers, secrets.token_urlsafe(NONCE_BYTES))
        body = msgspec.json.encode(claims)
        return urlsafe_b64encode(self._sign(body) + body).rstrip(b"=").decode()

    def redeem(self, text: str) -> Ticket:
        """Raises AuthenticationError: forged, expired or used before."""
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError as error:
            raise AuthenticationError("the media token is malformed") from error
        signature, body = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(body)):
            raise AuthenticationError("the media token is not ours")
        claims = msgspec.json.decode(body, type=_Claims)
        now = int(self._now_s())
        if claims.expires < now:
            raise AuthenticationError("the media token has expired")
        if signature in self._used:
            raise AuthenticationError("the media token was used before")
        self._used = {known: expires for known, expires in self._used.items() if expires >= now}
        self._used[signature] = claims.expires
        self._fellows.tell(USED, f"{claims.expires} {signature.hex()}")
        return Ticket(
            call_sid=claims.call_sid,
            agent_id=claims.agent_id,
            from_number=claims.from_number,
            to_number=claims.to_number,
            placed_uid=claims.placed_uid,
        )

    def _used_elsewhere(self, text: str) -> None:
        expires, _, signature = text.partition(" ")
        self._used[bytes.fromhex(signature)] = int(expires)

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)[:SIGNATURE_BYTES]
