"""The driver of one call: frames come in synchronously, the machines decide, and here is done what they say.

It joins the caller's side (listener), the agent's side (responder, speaker) and the deadlines of the call;
tasks exist only while a turn needs the outside world. It knows no dialect, no database and no vendor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pipelines.abilities import HearsTurns
from pipelines.audio import FRAME_MS, AudioFormat, Codec, to_pcm16
from pipelines.clock import CallClock
from pipelines.crosstalk import Crosstalk
from pipelines.deadlines import Deadlines
from pipelines.detection import DetectingStt
from pipelines.ear import Ear
from pipelines.ending import Ending
from pipelines.errors import StageError, VoicecoreError
from pipelines.events import EndReason, EventKind
from pipelines.history import History
from pipelines.journal import Journal, Tape
from pipelines.keypad import Keypad
from pipelines.listener import Listener
from pipelines.machines.endpointing import PAUSE_MS, UNHURRIED_MS, Endpointer, Speech
from pipelines.machines.silence import Silence
from pipelines.machines.turns import Floor, TurnMachine
from pipelines.minutes import Minutes
from pipelines.mouth import Mouth
from pipelines.news import News, data_of
from pipelines.outlet import Outlet
from pipelines.pacer import Pacer
from pipelines.phrases import phrases
from pipelines.responder import Responder
from pipelines.setup import Setup, Stages
from pipelines.speaker import Speaker
from pipelines.speculation import Speculator
from pipelines.tasks import CallTasks
from pipelines.turn_signs import TurnSigns
from pipelines.turntaking import TurnTaking

__all__ = ["Conversation", "Setup", "Stages"]

LONG_SPARE = int(PAUSE_MS) // FRAME_MS - 1  # frames
SHORT_SPARE = int(UNHURRIED_MS) // FRAME_MS - 1


class Conversation:
    """One call. Make it, `run` it, `feed` it; `end` stops it from outside."""

    __slots__ = (
        "_deadlines",
        "_ear",
        "_ending",
        "_floor",
        "_frame_bytes",
        "_keypad",
        "_listener",
        "_minutes",
        "_pacer",
        "_phrases",
        "_running",
        "_setup",
        "_silence",
        "_speaker",
        "_stt",
        "_tape",
        "_tasks",
        "_turns",
        "clock",
        "mouth",
        "worst_loop_lag_ms",
    )

    def __init__(
        self, setup: Setup, stages: Stages, outlet: Outlet, journal: Journal, tape: Tape, pacer: Pacer
    ) -> None:
        policy, limits, language = setup.agent.turn, setup.agent.limits, setup.agent.language
        self._setup = setup
        self._tape = tape
        self._pacer = pacer
        self._phrases = phrases(language)
        self._running = False
        self._frame_bytes = FRAME_MS * setup.inbound.rate_hz // 1000 * 2  # decoded
        self.worst_loop_lag_ms = 0.0
        self.clock = CallClock()
        self.mouth = Mouth(outlet, tape, pacer, self.clock, setup.ahead_ms)
        endpointer = Endpointer(policy, language)
        self._stt = stages.stt
        if stages.turn is not None:
            self._stt = DetectingStt(stages.stt, stages.turn, endpointer, setup.inbound.rate_hz, self._undetected)
        self._ear = Ear(stages.vad, self._stt, endpointer, setup.inbound.rate_hz)
        self._floor = TurnMachine(policy, language)
        self._silence = Silence(policy, limits)
        self._keypad = Keypad()
        self._tasks = CallTasks()
        self._ending = Ending(outlet, self.mouth)
        toolbox = setup.toolbox(self._ending.agent_hangs_up)
        history = History(setup.system_prompt, toolbox.has_side_effect)
        self._minutes = Minutes(journal, outlet, history, self._now, stages.meter)
        self._listener = Listener(self._ear, self._stt, self._minutes, self._tasks)
        self._speaker = Speaker(
            tts=stages.tts,
            voice=setup.voice,
            phrases=self._phrases,
            mouth=self.mouth,
            floor=self._floor,
            listener=self._listener,
            minutes=self._minutes,
            silence=self._silence,
            ending=self._ending,
            tasks=self._tasks,
            pacer=pacer,
            now=self._now,
        )
        responder = Responder(
            setup, stages.llm, toolbox, self._phrases, self._speaker, self._minutes, self._ending, self._tasks
        )
        self._turns = TurnTaking(
            policy,
            self._floor,
            self._listener,
            self._speaker,
            responder,
            Speculator(policy, responder, self._speaker, self._minutes),
            self._minutes,
            self._silence,
            self._ending,
            self.mouth,
            Crosstalk(self._ear, self.mouth, setup.inbound.rate_hz),
            self._tasks,
        )
        if isinstance(self._stt, HearsTurns):
            self._stt.hear_turns(TurnSigns(endpointer, self._turns.reconsider))
        self._deadlines = Deadlines(
            limits, self._phrases, self._floor, self._silence, self.mouth, self._speaker, self._minutes
        )

    # --- life ---------------------------------------------------------------------------------------

    async def run(self) -> EndReason:
        """Greet, converse, and return why it ended. Everything it started is over by then."""
        self._pacer.watch(self)
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks.open(group)
                self._running = True
                if self._setup.greeting and self._ending.reason is None:
                    self._floor.protected = self._setup.agent.turn.protect_greeting
                    self._speaker.say(self._setup.greeting)
                await self._ending.ended()
                self._tasks.cancel()
        finally:
            self._running = False
            self._tasks.close()
            self._pacer.unwatch(self)
            self._turns.break_off()
            self._floor.end()
            await self._stt.close()
        assert self._ending.reason is not None
        return self._ending.reason

    def end(self, reason: EndReason) -> None:
        """Stop. The first reason given stands."""
        self._ending.end(reason)

    def say_goodbye(self, reason: EndReason) -> None:
        """Break off politely: a closing sentence, then the end."""
        if self._ending.reason is not None or self._ending.pending is not None:
            return
        if not self._running:
            self.end(reason)  # nobody can speak yet, or any more
            return
        self._turns.break_off()
        self._minutes.event(EventKind.GOODBYE, reason=reason.value)
        self._ear.drop()
        self._ending.after_reply(reason)
        self._floor.protected = True
        self._speaker.say(self._phrases.goodbye(reason))

    # --- what comes in ------------------------------------------------------------------------------

    def feed(self, audio: bytes, start_ms: float, arrivals: Sequence[float] = ()) -> None:
        """Whole 20 ms frames in the inbound format, without a gap, at their place in call time. Never blocks.

        `arrivals`: the monotonic time at which each frame arrived; now, when it is empty.
        """
        if self._ending.reason is not None:
            return
        codec = self._setup.inbound.codec
        pcm = audio if codec is Codec.PCM16 else to_pcm16(audio, codec)
        self._tape.caller(start_ms, pcm)
        end_ms = start_ms
        for arrived_ms in arrivals or [self._pacer.now_ms()] * (len(pcm) // self._frame_bytes):
            end_ms += FRAME_MS
            self.clock.arrived(end_ms, arrived_ms)
        if self._running:  # before that, it is recorded, but nobody listens yet
            self._listen(pcm, start_ms)

    def _listen(self, pcm: bytes, start_ms: float) -> None:
        ear, floor, size = self._ear, self._floor, self._frame_bytes
        for at in range(0, len(pcm), size):
            boundary = ear.feed(pcm[at : at + size], start_ms)
            if boundary is not None:
                self._turns.boundary(boundary, start_ms + FRAME_MS)
            elif floor.floor is Floor.OVERLAP:
                self._turns.overlapping(start_ms + FRAME_MS)
            start_ms += FRAME_MS

    @property
    def spare_frames(self) -> int:
        """How many of the next frames may wait for the one after them, because nothing can fall due before it.

        While the agent is quiet, nobody waits to learn that the caller begins; two frames more are harmless then.
        """
        endpointer, floor = self._ear.endpointer, self._floor.floor
        if not self._running or floor is Floor.OVERLAP or endpointer.hurried:
            return 0
        if endpointer.state is Speech.SPEAKING or floor is Floor.LISTENING:
            return LONG_SPARE
        return SHORT_SPARE

    @property
    def inbound(self) -> AudioFormat:
        return self._setup.inbound

    def mark_returned(self, name: str) -> None:
        self.mouth.mark_returned(name)
        self._ending.close_when_heard(self._now())

    def dtmf(self, digit: str) -> None:
        """A key was pressed: interrupts the agent; a finished entry is the caller's turn."""
        if self._ending.reason is not None:
            return
        now = self._now()
        self._minutes.event(EventKind.DTMF, digit=digit)
        self._silence.quiet_since(now)
        if commands := self._floor.interrupt():
            self._turns.obey(commands)
            self._listener.drop()
        self._keypad.press(digit, now)

    def watch(self, now_ms: float) -> None:
        """From the pacer, each 100 ms: the deadlines of the call."""
        now = self.clock.at(now_ms)
        if not self.clock.started or self._ending.reason is not None:
            return
        if (lag_ms := self._pacer.recent_lag_ms) > self.worst_loop_lag_ms:
            self.worst_loop_lag_ms = lag_ms
        self._ending.close_when_heard(now)
        if reason := self._deadlines.look(now):
            self.say_goodbye(reason)
        elif self._floor.floor is Floor.CALLER:
            self._turns.paused(now)
        elif self._floor.floor is Floor.LISTENING and (entry := self._keypad.finished(now)):
            self._turns.keyed(entry)

    # --- news from around ---------------------------------------------------------------------------

    def switched(self, news: News) -> None:
        """From the fallbacks: an engine failed, perhaps another one took over."""
        self._minutes.event(news.kind, **data_of(news))

    def _undetected(self, error: StageError) -> None:
        self._minutes.failed(error)

    def problem(self, error: VoicecoreError) -> None:
        """From the transport: something on the wire was wrong and was survived."""
        self._minutes.event(EventKind.PROTOCOL_ERROR, code=error.code, message=error.message)

    def _now(self) -> float:
        return self.clock.at(self._pacer.now_ms())
