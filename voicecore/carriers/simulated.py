"""A carrier in this process: rings simulated people, asks the webhooks for TwiML and streams their audio, all over the
real protocols to the server's own port.

What becomes of a number follows from its last digits (see `fate`). It opens connections to this server only.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import aiohttp
import msgspec
import structlog

from config.schema import SimulatedCarrierSettings
from voicecore.carriers.person import SimulatedPhone
from voicecore.carriers.rooms import Rooms
from voicecore.carriers.switch import Switch
from voicecore.fellows import Fellows
from voicecore.services.carrier import CallUnknown, Leg

REDIRECT, HANG_UP = "simulated_redirect", "simulated_hang_up"  # questions
OUR_NUMBER = "+15550100000"

log = structlog.get_logger(__name__)


class _Order(msgspec.Struct, array_like=True):
    sid: str
    twiml: str


class SimulatedCarrier:
    """`base`: where this server listens; what is addressed to `public_url` goes there. `auth_token` signs."""

    name = "simulated"
    default_number = OUR_NUMBER
    extensions = "sip:{extension}@simulated"

    def __init__(
        self,
        settings: SimulatedCarrierSettings,
        fellows: Fellows,
        base: Callable[[], str],
        *,
        public_url: str = "",
        auth_token: str = "",
    ) -> None:
        self._settings = settings
        self._fellows = fellows
        self._switch = Switch(base, public_url.rstrip("/"), auth_token)
        self._rooms = Rooms()
        self._phones: dict[str, SimulatedPhone] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        fellows.on_asked(REDIRECT, lambda value: "yes" if self._redirect(value) else "")
        fellows.on_asked(HANG_UP, lambda sid: "yes" if self._hang_up(sid) else "")

    def reserve(self) -> str:
        return "CA" + secrets.token_hex(16)

    async def dial(self, leg: Leg) -> str:
        sid = leg.sid or self.reserve()
        phone = SimulatedPhone(sid, leg, self._settings, self._switch, self._rooms, self.dial)
        self._phones[sid] = phone
        task = asyncio.create_task(self._run(phone))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return sid

    async def redirect(self, sid: str, twiml: str) -> None:
        value = msgspec.json.encode(_Order(sid, twiml)).decode()
        if not self._redirect(value) and not any(await self._fellows.ask(REDIRECT, value)):
            raise CallUnknown("the simulated carrier has no such call")

    async def hang_up(self, sid: str) -> None:
        if not self._hang_up(sid) and not any(await self._fellows.ask(HANG_UP, sid)):
            raise CallUnknown("the simulated carrier has no such call")

    async def close(self) -> None:
        """Every telephone goes silent; nobody is told."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._switch.close()

    def _redirect(self, value: str) -> bool:
        order = msgspec.json.decode(value, type=_Order)
        phone = self._phones.get(order.sid)
        return phone is not None and phone.redirect(order.twiml)

    def _hang_up(self, sid: str) -> bool:
        phone = self._phones.get(sid)
        if phone is not None:
            phone.hang_up()
        return phone is not None

    async def _run(self, phone: SimulatedPhone) -> None:
        try:
            await phone.run()
        except aiohttp.ClientError as error:  # the server is going away
            log.info("simulated_call_lost", sid=phone.sid, reason=str(error))
        finally:
            del self._phones[phone.sid]
