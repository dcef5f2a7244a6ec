"""The carrier's webhooks: a ringing call is answered with where to stream its audio.

TwiML: https://www.twilio.com/docs/voice/twiml/stream. The media URL carries a token that is good for this
call alone; number and agent travel inside it, so nobody can claim another's.
"""

from __future__ import annotations

import structlog
from aiohttp import web

from config.schema import ServerSettings
from pipelines.errors import NotFound
from voicecore.admission import Admission, Refused
from voicecore.calling import CALLER_NAME, LONGEST_NAME, Ticket
from voicecore.carrier_requests import CarrierRequests, answer
from voicecore.domain import twiml
from voicecore.services.briefing import Briefings
from voicecore.tickets import Tickets
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
        requests: CarrierRequests,
        warmup: Warmup,
    ) -> None:
        self._overflow = settings.admission
        self._admission = admission
        self._briefings = briefings
        self._tickets = tickets
        self._requests = requests
        self._warmup = warmup

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/webhooks/twilio/voice", self.voice),
            web.get("/webhooks/twilio/voice", self.voice),
            web.post("/webhooks/twilio/status", self.status),
        ]

    async def voice(self, request: web.Request) -> web.Response:
        """A call rings: TwiML that connects it to its agent, or says why not."""
        form = await self._requests.form(request)
        agent_id = request.query.get("agent", "") or form.get("agent", "")
        number = form.get("To", "")
        try:
            routed = await self._briefings.route(agent_id, number)
            self._admission.check_quota(routed.agent.organization_uid)
            self._admission.admit(form.get("From", ""), number)
        except Refused as refused:
            log.warning("call_refused", code=refused.code, reason=refused.reason.value)
            return answer(self._busy())
        except NotFound as error:
            log.warning("call_refused", code=error.code, reason=error.message, agent=agent_id, number=number)
            return answer(twiml.spoken(UNKNOWN_TEXT))
        self._warmup.ringing(routed)
        ticket = Ticket(
            call_sid=form.get("CallSid", ""),
            agent_id=routed.agent.external_id,
            from_number=form.get("From", ""),
            to_number=number,
        )
        url = self._requests.media_url(request, self._tickets.issue(ticket))
        parameters = {"agent": ticket.agent_id, "from": ticket.from_number, "to": number}
        if routed.names_callers and form.get("CallerName"):  # who has Twilio's caller name lookup gets one
            parameters[CALLER_NAME] = form["CallerName"][:LONGEST_NAME]
        return answer(twiml.connect(url, parameters))

    async def status(self, request: web.Request) -> web.Response:
        """Progress reports of the carrier; the call's own socket tells more, so they are only logged."""
        form = await self._requests.form(request)
        log.info("carrier_status", call_sid=form.get("CallSid", ""), status=form.get("CallStatus", ""))
        return web.Response(status=204)

    def _busy(self) -> twiml.Response:
        """What a caller for whom there is no line gets: by setting, words, a busy tone or another TwiML."""
        if self._overflow.overflow == "say":
            return twiml.spoken(BUSY_TEXT)
        if self._overflow.overflow == "redirect":
            return twiml.redirected(self._overflow.overflow_url)
        return twiml.rejected()
