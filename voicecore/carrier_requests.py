"""What all webhooks of carriers share: who asks, and how its answers are addressed and written."""

from __future__ import annotations

import structlog
from aiohttp import web

from pipelines.errors import AuthenticationError, PermissionDenied
from voicecore.domain import twiml
from voicecore.gateway import TWILIO_PATH
from voicecore.services.tokens import Tokens
from voicecore.transports.twilio_signature import CarrierSignature

log = structlog.get_logger(__name__)


class CarrierRequests:
    """`public_url`: as the carrier dials us; "" takes each request's own."""

    def __init__(self, public_url: str, signature: CarrierSignature, tokens: Tokens) -> None:
        self._public_url = public_url.rstrip("/")
        self._signature = signature
        self._tokens = tokens

    async def form(self, request: web.Request) -> dict[str, str]:
        """What a carrier sent. Raises PermissionDenied: it is not signed as it should be."""
        post = await request.post()
        form = {key: value for key, value in post.items() if isinstance(value, str)}
        try:
            self._signature.check_webhook(str(request.url), request.path_qs, form, request.headers)
        except AuthenticationError as error:
            log.warning("webhook_refused", reason=error.message)
            raise PermissionDenied(error.message) from error
        return form or dict(request.query)

    async def own_form(self, request: web.Request) -> dict[str, str]:
        """The same at an address that we gave the carrier for one call: it bears our signature."""
        query = request.query
        if not self._tokens.url_is_signed(request.path, query.get("expires", ""), query.get("signature", "")):
            log.warning("webhook_refused", reason="the address is not ours")
            raise PermissionDenied("the address is not ours, or expired")
        return await self.form(request)

    def media_url(self, request: web.Request, token: str) -> str:
        base = self._public_url or f"{request.scheme}://{request.host}"
        return f"ws{base.removeprefix('http')}{TWILIO_PATH.decode()}/{token}"


def answer(document: twiml.Response) -> web.Response:
    return web.Response(body=twiml.document(document), content_type="text/xml")
