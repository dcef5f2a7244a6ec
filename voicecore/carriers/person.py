"""One simulated telephone: it rings, somebody answers or does not, and then it does what TwiML says.

Knows the verbs that this server uses: Connect/Stream, Dial with Number, Sip or Conference, Say, Redirect, Reject and
Hangup. A redirect from outside ends what it does and goes on with the new document.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from xml.etree import ElementTree

import structlog

from config.schema import SimulatedCarrierSettings
from pipelines.errors import ProtocolError
from voicecore.carriers.rooms import Rooms
from voicecore.carriers.switch import Switch
from voicecore.domain.dialling import CarrierStatus
from voicecore.domain.ids import new_external_id
from voicecore.phone.caller import Caller, Manners
from voicecore.phone.clips import shipped
from voicecore.phone.dialect import Identity
from voicecore.phone.twiml import CallFailed, parse_twiml
from voicecore.services.carrier import Leg

ACCOUNT = "AC" + "0" * 32
MOST_VERBS = 20  # of one call: a document that redirects to itself ends

log = structlog.get_logger(__name__)

Dial = Callable[[Leg], Awaitable[str]]


class Fate(StrEnum):
    ANSWERS = "answers"
    SILENT = "silent"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"


_STATUS = {
    Fate.BUSY: CarrierStatus.BUSY,
    Fate.NO_ANSWER: CarrierStatus.NO_ANSWER,
    Fate.UNREACHABLE: CarrierStatus.FAILED,
}


def fate(number: str, settings: SimulatedCarrierSettings) -> Fate:
    """What becomes of a call to this number, by its last digits."""
    digits = "".join(character for character in number.partition("@")[0] if character.isdigit())
    for found in (Fate.BUSY, Fate.NO_ANSWER, Fate.UNREACHABLE, Fate.SILENT):
        if any(digits.endswith(ending) for ending in getattr(settings, found.value)):
            return found
    return Fate.ANSWERS


def somebody(settings: SimulatedCarrierSettings, *, silent: bool) -> Caller:
    """Who answers: waits for the other to have spoken, says his sentences in turn and hangs up."""
    if silent:
        patience_ms = settings.silence_s * 1000
        manners = Manners(
            answer_pause_ms=patience_ms, greeting_timeout_ms=patience_ms, answer_timeout_ms=patience_ms,
            answer_limit_ms=patience_ms,
        )  # fmt: skip
        return Caller((), manners)
    clips = shipped()
    return Caller(tuple(clips[number % len(clips)] for number in range(settings.sentences)), Manners())


class SimulatedPhone:
    """`dial` rings another one."""

    def __init__(
        self, sid: str, leg: Leg, settings: SimulatedCarrierSettings, switch: Switch, rooms: Rooms, dial: Dial
    ) -> None:
        self.sid = sid
        self._leg = leg
        self._settings = settings
        self._switch = switch
        self._rooms = rooms
        self._dial = dial
        self._fate = fate(leg.to_number, settings)
        self._person = somebody(settings, silent=self._fate is Fate.SILENT)
        self._hung_up = asyncio.Event()
        self._next: str | None = None  # a document that somebody redirects to
        self._doing: asyncio.Task[bool] | None = None
        self._answered = False

    # --- from outside -------------------------------------------------------------------------------

    def hang_up(self) -> None:
        self._hung_up.set()

    def redirect(self, twiml: str) -> bool:
        """False: nobody has answered, or it is over."""
        if not self._answered or self._hung_up.is_set():
            return False
        self._next = twiml
        if self._doing is not None:
            self._doing.cancel()
        return True

    # --- the call -----------------------------------------------------------------------------------

    async def run(self) -> None:
        living = asyncio.ensure_future(self._live())
        ended = asyncio.ensure_future(self._hung_up.wait())
        try:
            await asyncio.wait([living, ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hung_up.set()
            ended.cancel()
            living.cancel()
            await asyncio.wait([living, ended])
        if living.cancelled():
            await self._report(CarrierStatus.COMPLETED if self._answered else CarrierStatus.CANCELED)
        else:
            await self._report(living.result())

    async def _live(self) -> CarrierStatus:
        """Returns how it ended."""
        if self._fate is Fate.UNREACHABLE:
            return CarrierStatus.FAILED
        await self._report(CarrierStatus.RINGING)
        ring_s = self._leg.ring_s if self._fate is Fate.NO_ANSWER else self._settings.ring_ms / 1000
        await asyncio.sleep(min(ring_s, self._leg.ring_s))
        if self._fate in _STATUS:
            return _STATUS[self._fate]
        self._answered = True
        await self._report(CarrierStatus.IN_PROGRESS)
        try:
            twiml = self._leg.twiml or await self._switch.ask(self._leg.answer_url, self._fields("in-progress"))
            await self._obey(twiml)
        except (CallFailed, ProtocolError, ElementTree.ParseError) as error:
            log.warning("simulated_call_failed", sid=self.sid, reason=str(error))
        return CarrierStatus.COMPLETED

    async def _obey(self, twiml: str) -> None:
        """One document after the other, verb by verb, until nothing is left to do or he hangs up."""
        verbs = list(ElementTree.fromstring(twiml))
        for _ in range(MOST_VERBS):
            if self._next is not None:
                verbs, self._next = list(ElementTree.fromstring(self._next)), None
            if not verbs:
                return
            verb = verbs.pop(0)
            if verb.tag == "Redirect":
                url = (verb.text or "").strip()
                verbs = list(ElementTree.fromstring(await self._switch.ask(url, self._fields("in-progress"))))
                continue
            if await self._done(verb):
                return

    async def _done(self, verb: ElementTree.Element) -> bool:
        """True: there is no next verb. A redirect ends this one."""
        self._doing = doing = asyncio.ensure_future(self._do(verb))
        try:
            await asyncio.wait([doing])
        finally:
            self._doing = None
            if not doing.done():
                doing.cancel()
                await asyncio.wait([doing])
        return self._next is None and doing.result()

    async def _do(self, verb: ElementTree.Element) -> bool:
        """True: the person hung up, or the document says so."""
        if verb.tag == "Connect":
            document = ElementTree.Element("Response")
            document.append(verb)
            target = parse_twiml(ElementTree.tostring(document, encoding="unicode"))
            identity = Identity(ACCOUNT, self.sid, Identity.new().stream_sid)
            return await self._switch.stream(target, identity, self._person)
        if verb.tag == "Dial":
            return await self._connect(verb)
        return verb.tag in ("Hangup", "Reject")

    async def _connect(self, dial: ElementTree.Element) -> bool:
        conference = dial.find("Conference")
        if conference is not None:
            ends_it = conference.get("endConferenceOnExit") == "true"
            return await self._rooms.stay((conference.text or "").strip(), self._person, ends_it=ends_it)
        target = next((child.text or "" for child in dial if child.tag in ("Number", "Sip")), "").strip()
        if fate(target, self._settings) not in (Fate.ANSWERS, Fate.SILENT):
            return False
        room = new_external_id("line")
        entrance = f'<Response><Dial><Conference endConferenceOnExit="true">{room}</Conference></Dial></Response>'
        sid = await self._dial(Leg(to_number=target, from_number=dial.get("callerId", ""), twiml=entrance))
        log.info("simulated_transfer", sid=self.sid, target=target, target_sid=sid)
        return await self._rooms.stay(room, self._person, ends_it=True)

    # --- reports ------------------------------------------------------------------------------------

    async def _report(self, status: CarrierStatus) -> None:
        if not self._leg.status_url:
            return
        try:
            await self._switch.ask(self._leg.status_url, self._fields(status.value))
        except CallFailed as error:
            log.warning("status_not_taken", sid=self.sid, status=status.value, reason=error.message)

    def _fields(self, status: str) -> dict[str, str]:
        return {
            "AccountSid": ACCOUNT,
            "ApiVersion": "2010-04-01",
            "CallSid": self.sid,
            "CallStatus": status,
            "Direction": "outbound-api",
            "From": self._leg.from_number,
            "To": self._leg.to_number,
        }
