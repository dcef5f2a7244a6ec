"""The driver of one call: frames come in synchronously, the machines decide, and here is done what they say.

It joins the caller's side (listener), the agent's side (responder, speaker) and the deadlines of the call;
tasks exist only while a turn needs the outside world. It knows no dialect, no database and no vendor.
"""

from __future__ import annotations

import asyncio

from pipelines.audio import FRAME_MS, Codec, to_pcm16
from pipelines.clock import CallClock
from pipelines.ear import Ear
from pipelines.ending import Ending
from pipelines.errors import VoicecoreError
from pipelines.events import EndReason, EventKind
from pipelines.failover import Switched
from pipelines.history import History
from pipelines.journal import Journal, Tape
from pipelines.keypad import Keypad
from pipelines.listener import Listener
from pipelines.machines.endpointing import (
    Boundary,
    Endpointer,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TurnEnded,
)
from pipelines.machines.silence import Silence
from pipelines.machines.turns import Command, Floor, TurnMachine
from pipelines.minutes import Minutes
from pipelines.mouth import Mouth
from pipelines.outlet import Outlet
from pipelines.pacer import Pacer
from pipelines.phrases import phrases
from pipelines.responder import Responder
from pipelines.setup import Setup, Stages
from pipelines.speaker import Speaker
from pipelines.tasks import CallTasks
from pipelines.timing import Turn

__all__ = ["Conversation", "Setup", "Stages"]


class Conversation:
    """One call. Make it, `run` it, `feed` it; `end` stops it from outside."""

    def __init__(
        self, setup: Setup, stages: Stages, outlet: Outlet, journal: Journal, tape: Tape, pacer: Pacer
    ) -> None:
        policy, limits, language = setup.agent.turn, setup.agent.limits, setup.agent.language
        self._setup = setup
        self._stt = stages.stt
        self._tape = tape
        self._pacer = pacer
        self._phrases = phrases(language)
        self._running = False
        self.worst_loop_lag_ms = 0.0
        self.clock = CallClock()
        self.mouth = Mouth(outlet, tape, pacer, self.clock, setup.ahead_ms)
        self._ear = Ear(stages.vad, stages.stt, Endpointer(policy, language), setup.inbound.rate_hz)
        self._floor = TurnMachine(policy, language)
        self._silence = Silence(policy, limits)
        self._keypad = Keypad()
        self._tasks = CallTasks()
        self._ending = Ending(outlet, self.mouth)
        toolbox = setup.toolbox(self._ending.agent_hangs_up)
        history = History(setup.system_prompt, toolbox.has_side_effect)
        self._minutes = Minutes(journal, outlet, history, self._now)
        self._listener = Listener(self._ear, stages.stt, self._minutes, self._tasks)
        self._speaker = Speaker(
            tts=stages.tts,
            voice=setup.voice,
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
        self._responder = Responder(
            setup, stages.llm, toolbox, self._phrases, self._speaker, self._minutes, self._ending
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
            self._break_off()
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
        closing = {
            EndReason.MAX_DURATION: self._phrases.time_is_up,
            EndReason.CALLER_SILENT: self._phrases.silent_goodbye,
        }
        self._break_off()
        self._ear.drop()
        self._ending.after_reply(reason)
        self._floor.protected = True
        self._speaker.say(closing.get(reason, self._phrases.closing_down))

    def _break_off(self) -> None:
        """Whoever speaks, agent or caller: it is on the record as far as it came."""
        self._speaker.cancel()
        self._minutes.close("", None, interrupted=True)
        self._listener.abandon()

    # --- what comes in ------------------------------------------------------------------------------

    def feed(self, audio: bytes, start_ms: float) -> None:
        """Exactly one 20 ms frame in the inbound format, at its place in call time. Never blocks."""
        if self._ending.reason is not None:
            return
        self.clock.arrived(start_ms + FRAME_MS, self._pacer.now_ms())
        codec = self._setup.inbound.codec
        pcm = audio if codec is Codec.PCM16 else to_pcm16(audio, codec)
        self._tape.caller(start_ms, pcm)
        if not self._running:
            return  # kept from before the call runs: recorded, but nobody listens yet
        boundary = self._ear.feed(pcm, start_ms)
        if boundary is not None:
            self._on_boundary(boundary)
        elif self._floor.floor is Floor.OVERLAP:
            self._do(self._floor.speech_continues(self._ear.endpointer.speech_ms, self._ear.partial))

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
            self._do(commands)
            self._listener.drop()
        self._keypad.press(digit, now)

    def watch(self, now_ms: float) -> None:
        """From the pacer, each 100 ms: the deadlines of the call."""
        now = self.clock.at(now_ms)
        if not self.clock.started or self._ending.reason is not None:
            return
        self.worst_loop_lag_ms = max(self.worst_loop_lag_ms, self._pacer.lag_ms)
        self._ending.close_when_heard(now)
        floor = self._floor.floor
        if now > self._setup.agent.limits.max_call_s * 1000.0:
            self.say_goodbye(EndReason.MAX_DURATION)
        elif floor is Floor.LISTENING:
            if entry := self._keypad.finished(now):
                self._commit_keys(entry)
            elif self._silence.caller_silent(now):
                self._caller_silent(now)
        elif floor is Floor.THINKING and self._silence.filler_due(now):
            self._speaker.fill(self._phrases.one_moment)

    def _caller_silent(self, now: float) -> None:
        self._minutes.event(EventKind.CALLER_SILENT, reprompts=self._silence.reprompts)
        if self._silence.ask_again(now):
            self._speaker.say(self._phrases.still_there)
        else:
            self.say_goodbye(EndReason.CALLER_SILENT)

    # --- boundaries of speech -----------------------------------------------------------------------

    def _on_boundary(self, boundary: Boundary) -> None:
        if isinstance(boundary, SpeechStarted):
            self._minutes.event(EventKind.CALLER_STARTED_SPEAKING, speech_start_ms=boundary.at_ms)
            self._do(self._floor.speech_started(), boundary.at_ms)
        elif isinstance(boundary, SpeechPaused):
            self._listener.speech_paused(boundary.speech_end_ms)
        elif isinstance(boundary, SpeechResumed):
            self._listener.speech_resumed()
        elif isinstance(boundary, TurnEnded):
            self._minutes.event(EventKind.CALLER_STOPPED_SPEAKING, speech_end_ms=self._listener.speech_end_ms)
            if self._floor.floor is Floor.OVERLAP:
                self._tasks.spawn(self._judge_overlap())
            else:
                self._do(self._floor.turn_ended(""))

    async def _judge_overlap(self) -> None:
        text = (await self._listener.transcript()).text
        if self._listener.caller_speaking:
            return  # the caller went on meanwhile: the next end decides
        overlap = self._floor.floor is Floor.OVERLAP
        if overlap or self._floor.floor is Floor.CALLER:  # CALLER: the reply ended, or gave way, meanwhile
            self._do(self._floor.turn_ended(text))
            if overlap and (verdict := self._floor.verdict) and not verdict.barge_in:
                self._minutes.event(EventKind.FALSE_ALARM, reason=verdict.reason, text=text)

    # --- commands of the turn machine ---------------------------------------------------------------

    def _do(self, commands: list[Command], at_ms: float = 0.0) -> None:
        for command in commands:
            if command is Command.BEGIN_UTTERANCE:
                self._listener.begin(at_ms, self._floor.expect)
            elif command is Command.RESUME_UTTERANCE:
                self._listener.resume(at_ms, self._floor.expect)
            elif command is Command.DROP_UTTERANCE:
                self._listener.drop()
            elif command is Command.COMMIT_TURN:
                self._commit()
            elif command is Command.PAUSE_PLAYOUT:
                self.mouth.pause()
            elif command is Command.RESUME_PLAYOUT:
                self.mouth.resume()
            elif command is Command.CANCEL_REPLY:
                self._ending.revoke()
                verdict = self._floor.verdict
                self._speaker.cancel(verdict.reason if verdict else "key")

    def _commit(self) -> None:
        turn = self._listener.commit()
        self._silence.thinking(self._now(), turn.caller_ended_ms)
        self._speaker.start(self._answer(turn))

    def _commit_keys(self, entry: str) -> None:
        turn = self._minutes.begin_turn()
        self._silence.caller_spoke()
        self._floor.reply_pending()
        self._silence.thinking(self._now(), None)
        self._speaker.start(self._responder.answer(turn, entry))

    async def _answer(self, turn: Turn) -> None:
        text = await self._listener.turn_text(turn)
        if text is None:
            self._floor.nothing_said()
        else:
            self._silence.caller_spoke()
            self._floor.protected = False
            await self._responder.answer(turn, text)

    # --- news from around ---------------------------------------------------------------------------

    def switched(self, news: Switched) -> None:
        """From the fallbacks: an engine failed, perhaps another one took over."""
        kind = EventKind.STAGE_SWITCHED if news.to else EventKind.STAGE_FAILED
        self._minutes.event(kind, stage=news.stage, provider=news.provider, to=news.to, error=news.error)

    def problem(self, error: VoicecoreError) -> None:
        """From the transport: something on the wire was wrong and was survived."""
        self._minutes.event(EventKind.PROTOCOL_ERROR, code=error.code, message=error.message)

    def _now(self) -> float:
        return self.clock.at(self._pacer.now_ms())
