"""The carrier's webhooks: a ringing call is answered with where to stream its audio.

TwiML: https://www.twilio.com/docs/voice/twiml/stream. The media URL carries a token that is good for this
call alone; number and agent travel inside it, so nobody can claim another's.
"""

from __future__ import annotations

from xml.etree import ElementTree

import structlog
from aiohttp import web

from config.schema import ServerSettings
from pipelines.errors import AuthenticationError, NotFound
from voicecore.admission import Admission, Refused
from voicecore.calling import Ticket
from voicecore.gateway import TWILIO_PATH
from voicecore.services.briefing import Briefings
from voicecore.tickets import Tickets
from voicecore.transports.twilio_signature import CarrierSignature
from voicecore.warmup import Warmup

log = structlog.get_logger(__name__)

BUSY_TEXT = "All lines are busy. Please call again in a few minutes."
UNKNOWN_TEXT = "This number is not in service."


class VoiceWebhook:
    """Handlers for the routes below `/webhooks/twilio`."""

    def __init__(
        self,
        settings: ServerSettings,
        admission: Admission,
        briefings: Briefings,
        tickets: Tickets,
        signature: CarrierSignature,
        warmup: Warmup,
    ) -> None:
        self._overflow = settings.admission
        self._admission = admission
        self._briefings = briefings
        self._tickets = tickets
        self._signature = signature
        self._warmup = warmup
        self._public_url = settings.public_url.rstrip("/")

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/webhooks/twilio/voice", self.voice),
            web.get("/webhooks/twilio/voice", self.voice),
            web.post("/webhooks/twilio/status", self.status),
        ]

    async def voice(self, request: web.Request) -> web.Response:
        """A call rings: TwiML that connects it to its agent, or says why not."""
        form = await self._signed_form(request)
        if isinstance(form, web.Response):
            return form
        agent_id = request.query.get("agent", "") or form.get("agent", "")
        number = form.get("To", "")
        try:
            routed = await self._briefings.route(agent_id, number)
            self._admission.check_quota(routed.agent.organization_uid)
            self._admission.admit(form.get("From", ""), number)
        except Refused as refused:
            log.warning("call_refused", code=refused.code, reason=refused.reason.value)
            return _twiml(self._busy())
        except NotFound as error:
            log.warning("call_refused", code=error.code, reason=error.message, agent=agent_id, number=number)
            return _twiml(_spoken(UNKNOWN_TEXT))
        self._warmup.ringing(routed)
        ticket = Ticket(
            call_sid=form.get("CallSid", ""),
            agent_id=routed.agent.external_id,
            from_number=form.get("From", ""),
            to_number=number,
        )
        url = f"{self._media_base(request)}{TWILIO_PATH.decode()}/{self._tickets.issue(ticket)}"
        return _twiml(_connect(url, {"agent": ticket.agent_id, "from": ticket.from_number, "to": number}))

    async def status(self, request: web.Request) -> web.Response:
        """Progress reports of the carrier; the call's own socket tells more, so they are only logged."""
        form = await self._signed_form(request)
        if isinstance(form, web.Response):
            return form
        log.info("carrier_status", call_sid=form.get("CallSid", ""), status=form.get("CallStatus", ""))
        return web.Response(status=204)

    async def _signed_form(self, request: web.Request) -> dict[str, str] | web.Response:
        post = await request.post()
        form = {key: value for key, value in post.items() if isinstance(value, str)}
        try:
            self._signature.check_webhook(str(request.url), request.path_qs, form, request.headers)
        except AuthenticationError as error:
            log.warning("webhook_refused", reason=error.message)
            return web.Response(status=403, text=error.message)
        return form or dict(request.query)

    def _busy(self) -> ElementTree.Element:
        """What a caller for whom there is no line gets: by setting, words, a busy tone or another TwiML."""
        if self._overflow.overflow == "say":
            return _spoken(BUSY_TEXT)
        response = ElementTree.Element("Response")
        if self._overflow.overflow == "redirect":
            ElementTree.SubElement(response, "Redirect").text = self._overflow.overflow_url
        else:
            ElementTree.SubElement(response, "Reject", reason="busy")
        return response

    def _media_base(self, request: web.Request) -> str:
        if self._public_url:
            scheme = "wss" if self._public_url.startswith("https") else "ws"
            return f"{scheme}{self._public_url[self._public_url.index('://') :]}"
        return f"{'wss' if request.scheme == 'https' else 'ws'}://{request.host}"


def _connect(url: str, parameters: dict[str, str]) -> ElementTree.Element:
    response = ElementTree.Element("Response")
    stream = ElementTree.SubElement(ElementTree.SubElement(response, "Connect"), "Stream", url=url)
    for name, value in parameters.items():
        if value:
            ElementTree.SubElement(stream, "Parameter", name=name, value=value)
    return response


def _spoken(text: str) -> ElementTree.Element:
    response = ElementTree.Element("Response")
    ElementTree.SubElement(response, "Say").text = text
    ElementTree.SubElement(response, "Hangup")
    return response


def _twiml(root: ElementTree.Element) -> web.Response:
    return web.Response(
        body=ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), content_type="text/xml"
    )
