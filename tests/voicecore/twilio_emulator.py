"""Twilio's REST, as far as calls go, in front of simulated telephones: errors as Twilio words them, webhooks signed as
Twilio signs them, media streams as it opens them. https://www.twilio.com/docs/voice/api/call-resource"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from config.schema import SimulatedCarrierSettings
from voicecore.carriers.simulated import SimulatedCarrier
from voicecore.fellows import Alone
from voicecore.services.carrier import CallUnknown, Leg

ACCOUNT, TOKEN = "AC" + "1" * 32, "0123456789abcdef"
PUBLIC = "https://voice.example.com"
INVALID, UNVERIFIED = "+49300000000", "+49301111111"


class TwilioEmulator:
    """`errors`: (status, code) that the next requests get."""

    def __init__(self, base: Callable[[], str]) -> None:
        people = SimulatedCarrierSettings(ring_ms=0, sentences=1)
        self.phones = SimulatedCarrier(people, Alone(), base, public_url=PUBLIC, auth_token=TOKEN)
        self.created: list[dict[str, str]] = []
        self.updated: list[dict[str, str]] = []
        self.errors: list[tuple[int, int]] = []
        self.url = ""

    async def create(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        if form["To"] == INVALID:
            raise _error(400, 21211, f"The 'To' number {INVALID} is not a valid phone number.")
        if form["From"] == UNVERIFIED:
            raise _error(400, 21210, f"'From' phone number not verified: {UNVERIFIED}")
        self.created.append(form)
        leg = Leg(
            to_number=form["To"],
            from_number=form["From"],
            answer_url=form.get("Url", ""),
            twiml=form.get("Twiml", ""),
            status_url=form["StatusCallback"],
            ring_s=int(form["Timeout"]),
        )
        sid = await self.phones.dial(leg)
        return web.json_response({"sid": sid, "status": "queued", "to": form["To"], "from": form["From"]}, status=201)

    async def update(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        sid = request.match_info["sid"]
        self.updated.append(form)
        try:
            if "Twiml" in form:
                await self.phones.redirect(sid, form["Twiml"])
            else:
                assert form["Status"] == "completed"
                await self.phones.hang_up(sid)
        except CallUnknown as error:
            raise _error(404, 20404, f"The requested resource Calls/{sid}.json was not found") from error
        return web.json_response({"sid": sid, "status": "in-progress"})

    async def _form(self, request: web.Request) -> dict[str, str]:
        expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if request.headers.get("Authorization") != expected or request.match_info["account"] != ACCOUNT:
            raise _error(401, 20003, "Authenticate")
        if self.errors:
            raise _error(*self.errors.pop(0), "Too Many Requests")
        return {key: str(value) for key, value in (await request.post()).items()}


def _error(status: int, code: int, message: str) -> web.HTTPException:
    kinds: dict[int, Any] = {
        400: web.HTTPBadRequest, 401: web.HTTPUnauthorized, 404: web.HTTPNotFound, 429: web.HTTPTooManyRequests,
        500: web.HTTPInternalServerError, 503: web.HTTPServiceUnavailable,
    }  # fmt: skip
    body = {"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}"}
    made: web.HTTPException = kinds[status](text=json.dumps(body | {"status": status}), content_type="application/json")
    return made


@contextlib.asynccontextmanager
async def twilio(base: Callable[[], str]) -> AsyncIterator[TwilioEmulator]:
    """On a port of its own. `base`: where the server under test listens."""
    emulator = TwilioEmulator(base)
    app = web.Application()
    app.router.add_post("/2010-04-01/Accounts/{account}/Calls.json", emulator.create)
    app.router.add_post("/2010-04-01/Accounts/{account}/Calls/{sid}.json", emulator.update)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    emulator.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield emulator
    finally:
        await emulator.phones.close()
        await runner.cleanup()
