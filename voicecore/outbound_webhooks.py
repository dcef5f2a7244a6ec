"""The carrier's webhooks of calls that we make: what to do with who answers, and how it goes.

Their addresses are made for one call and signed. Reports may come twice and in any order.
"""

from __future__ import annotations

import structlog
from aiohttp import web

from pipelines.events import EndReason
from voicecore.admission import Admission, Refused
from voicecore.calling import Ticket
from voicecore.carrier_requests import CarrierRequests, answer
from voicecore.domain import twiml
from voicecore.domain.dialling import CarrierStatus, TransferKind
from voicecore.services.outbound import Outbound
from voicecore.services.transfers import Transfers
from voicecore.tickets import Tickets

log = structlog.get_logger(__name__)


class OutboundWebhook:
    """Handlers for the routes below `/webhooks/twilio/outbound` and `/webhooks/twilio/transfers`."""

    def __init__(
        self,
        outbound: Outbound,
        transfers: Transfers,
        admission: Admission,
        tickets: Tickets,
        requests: CarrierRequests,
    ) -> None:
        self._outbound = outbound
        self._transfers = transfers
        self._admission = admission
        self._tickets = tickets
        self._requests = requests

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/webhooks/twilio/outbound/{call_uid}", self.answered),
            web.post("/webhooks/twilio/outbound/{call_uid}/status", self.status),
            web.post("/webhooks/twilio/transfers/{call_uid}/{kind}/{room}", self.transfer_status),
        ]

    async def answered(self, request: web.Request) -> web.Response:
        """Somebody has picked up: TwiML that connects him with his agent."""
        form = await self._requests.own_form(request)
        call_uid, sid = request.match_info["call_uid"], form.get("CallSid", "")
        call = await self._outbound.reached(call_uid, sid)
        if call is None:
            return answer(twiml.hung_up())
        try:
            self._admission.check_quota(call.organization_uid)
            self._admission.admit(call.from_number, call.to_number)
        except Refused as refused:
            log.warning("call_refused", code=refused.code, reason=refused.reason.value)
            await self._outbound.refused(call_uid, EndReason.OVERLOADED)
            return answer(twiml.hung_up())
        ticket = Ticket(
            call_sid=sid,
            agent_id=call.agent_id,
            from_number=call.from_number,
            to_number=call.to_number,
            placed_uid=call.uid,
        )
        return answer(twiml.connect(self._requests.media_url(request, self._tickets.issue(ticket)), {}))

    async def status(self, request: web.Request) -> web.Response:
        status = _status(await self._requests.own_form(request))
        if status is not None:
            await self._outbound.reported(request.match_info["call_uid"], status)
        return web.Response(status=204)

    async def transfer_status(self, request: web.Request) -> web.Response:
        """Of the telephone that a call is handed on to."""
        form = await self._requests.own_form(request)
        path, status = request.match_info, _status(form)
        if status is not None:
            kind = TransferKind(path["kind"])
            await self._transfers.reported(path["call_uid"], kind, path["room"], status, form.get("CallSid", ""))
        return web.Response(status=204)


def _status(form: dict[str, str]) -> CarrierStatus | None:
    word = form.get("CallStatus", "")
    try:
        return CarrierStatus(word)
    except ValueError:
        log.info("carrier_status_unknown", status=word[:40])
        return None
