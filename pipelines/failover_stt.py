"""Ordered fallbacks of a call's recogniser: the utterance is kept, so that the next engine of the list can hear it.

It implements the recogniser's own protocol, so the driver never knows. A switch is reported, never silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import msgspec

from pipelines.abilities import HearsTurns, Hurried, TurnSign
from pipelines.chain import Chain
from pipelines.errors import StageError, StageTimeout
from pipelines.meter import Hearing, Meter
from pipelines.news import Reason, Report, Switched
from pipelines.request import Outcome
from pipelines.roster import Limits, Named, Roster
from pipelines.stages import Expect, Stt, SttOptions, SttSession, Transcript
from pipelines.watchdog import Watchdog

# To the transcript, connecting included. With nobody else to be asked, who waits for the text decides how long.
STT_LIMITS = Limits(first_s=10.0, switch_s=1.2, next_s=10.0, hedge_s=0.7)
OPEN_S = 5.0  # to open a session before the call is answered, when nobody else can be asked
LONGEST_UTTERANCE_S = 60


async def open_stt(
    engines: Sequence[Named[Stt]], options: SttOptions, report: Report, meter: Meter | None = None
) -> FailoverSttSession:
    """A recogniser session on the first engine that opens. Raises the last StageError when none does."""
    session = FailoverSttSession(engines, options, report, meter)
    await session.connect()
    return session


class Heard(msgspec.Struct, frozen=True):
    """What an engine made of the utterance, and the session that can hear more of it."""

    transcript: Transcript
    named: Named[Stt]
    session: SttSession


class FailoverSttSession:
    """SttSession over an ordered list. Who took over keeps the call; the others stand by."""

    def __init__(
        self, engines: Sequence[Named[Stt]], options: SttOptions, report: Report, meter: Meter | None = None
    ) -> None:
        self._roster = Roster("stt", engines, STT_LIMITS, report)
        self._chain = Chain("stt", engines, STT_LIMITS, report)
        self._options = options
        self._named: Named[Stt] | None = None  # who hears the call
        self._session: SttSession | None = None
        self._hearing: Hearing | None = None
        self._joining: dict[SttSession, Hearing] = {}  # that hear the utterance again
        self._meter = meter or Meter()
        self._told: Callable[[TurnSign], None] | None = None
        self._expect = Expect.ANYTHING
        self._utterance: list[bytes] = []
        self._kept = 0
        self._limit = LONGEST_UTTERANCE_S * options.rate_hz * 2

    @property
    def partial(self) -> str:
        return self._session.partial if self._session else ""

    async def connect(self) -> None:
        """Open a session, if it takes the whole list. Raises the last StageError."""
        now = asyncio.get_running_loop().time
        left = list(self._roster.engines)
        while True:
            named = self._roster.pick(left, now()) or self._roster.last_resort(left, now())
            assert named is not None, "there is an engine"
            left.remove(named)
            asked_s, tries = now(), named.health.asked()
            try:
                self._session, self._named = await self._opened(named, alone=not left), named
                self._hearing = self._meter.hearing(named, self._session, self._options.rate_hz)
                self._listen_for_turns()
                return
            except StageError as error:
                to = left[0].name if left else ""
                self._roster.benched(named, named.health.failed(error, asked_s, now()), error)
                self._roster.report(Switched("stt", named.name, to, error.message, Reason.of(error)))
                if not left:
                    raise
            finally:
                if tries:  # that it opened proves little: whether it works, the first transcript shows
                    named.health.settled()

    async def _opened(self, named: Named[Stt], *, alone: bool) -> SttSession:
        within_s = OPEN_S if alone else STT_LIMITS.switch_s
        try:
            return await Watchdog.once(within_s, named.engine.open(self._options))
        except TimeoutError as error:
            raise StageTimeout(f"did not open within {within_s:g} s", stage="stt", provider=named.name) from error

    # --- what only some engines offer ---------------------------------------------------------------

    def hear_turns(self, told: Callable[[TurnSign], None]) -> None:
        """See `HearsTurns`: nothing is told while an engine hears the call that does not follow turns."""
        self._told = told
        self._listen_for_turns()

    def _listen_for_turns(self) -> None:
        if self._told is not None and isinstance(self._session, HearsTurns):
            self._session.hear_turns(self._told)

    def hurry(self) -> None:
        """See `Hurried`; whoever hears the utterance again is waited for as well."""
        for session in (self._session, *self._joining):
            if isinstance(session, Hurried):
                session.hurry()

    # --- an utterance -------------------------------------------------------------------------------

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._utterance.clear()
        self._kept = 0
        self._expect = expect
        if self._session:
            self._session.begin(expect)

    def feed(self, pcm: bytes) -> None:
        if self._kept < self._limit:
            self._utterance.append(pcm)
            self._kept += len(pcm)
        if self._session:
            self._session.feed(pcm)
            if self._hearing is not None:
                self._hearing.bytes += len(pcm)
        for session, hearing in self._joining.items():
            session.feed(pcm)
            hearing.bytes += len(pcm)

    async def flush(self) -> Transcript:
        """As the protocol says. An engine that fails or is slow is replaced by one that hears the utterance again."""
        transcript = None
        try:
            async with aclosing(self._chain.stream(self, self._named)) as answers:
                async for heard in answers:
                    transcript = heard.transcript
        except StageError:
            await self._give_up_session()
            raise
        finally:
            await self._leave_joining()
        assert transcript is not None, "a chain that raises nothing has answered"
        return transcript

    def end(self) -> None:
        self._utterance.clear()
        self._kept = 0
        if self._session:
            self._session.end()

    async def close(self) -> None:
        await self._give_up_session()
        await self._leave_joining()  # of a flush that was cancelled while it closed them

    async def _leave_joining(self) -> None:
        while self._joining:
            session, _ = self._joining.popitem()
            await session.close()

    async def _give_up_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- the utterance as a `Request` ---------------------------------------------------------------

    may_be_empty = False
    complete = False

    async def ask(self, named: Named[Stt]) -> AsyncGenerator[Heard, None]:
        session = self._session
        if named is not self._named or session is None:
            session = await self._hear_again(named)
        try:
            transcript = await session.flush()
        except StageError:
            if session is self._session:
                await self._give_up_session()  # asked once more, it is opened anew
            raise
        yield Heard(transcript, named, session)

    async def _hear_again(self, named: Named[Stt]) -> SttSession:
        session = await named.engine.open(self._options)
        self._joining[session] = hearing = self._meter.hearing(named, session, self._options.rate_hz)
        session.begin(self._expect)
        for pcm in self._utterance:
            session.feed(pcm)
            hearing.bytes += len(pcm)
        return session

    def is_output(self, item: Heard) -> bool:
        return True

    def took(self, item: Heard) -> None:
        """Whoever answered goes on hearing the call."""
        if item.session is not self._session:
            hearing = self._joining.pop(item.session)
            if self._session is not None and self._hearing is not None:
                self._joining[self._session] = self._hearing  # closed with those that nobody needs
            self._named, self._session, self._hearing = item.named, item.session, hearing
            self._listen_for_turns()

    def ended(self, named: Named[Stt], outcome: Outcome) -> None: ...
