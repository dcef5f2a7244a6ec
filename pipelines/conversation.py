"""The driver of one call: the only place that starts or cancels work while somebody is on the line.

Frames come in synchronously through `feed`; the machines decide; tasks exist only while a turn needs the
outside world. It knows no dialect, no database and no vendor.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from config.schema import AgentSettings
from pipelines.audio import FRAME_MS, AudioFormat, Codec, to_pcm16
from pipelines.brain import dialogue
from pipelines.brain.tools import Toolbox
from pipelines.clock import CallClock
from pipelines.ear import Ear
from pipelines.errors import StageError, VoicecoreError
from pipelines.events import EndReason, EventKind
from pipelines.failover import Switched
from pipelines.history import History
from pipelines.journal import Journal, Tape
from pipelines.keypad import Keypad
from pipelines.machines.endpointing import (
    Boundary,
    Endpointer,
    Speech,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TurnEnded,
)
from pipelines.machines.turns import Command, Floor, TurnMachine
from pipelines.minutes import Minutes
from pipelines.mouth import Mouth
from pipelines.outlet import Outlet
from pipelines.pacer import Pacer
from pipelines.phrases import phrases
from pipelines.reply import Reply
from pipelines.stages import Llm, LlmRequest, SttSession, Transcript, Tts, VadStream, Voice
from pipelines.timing import Mark, Turn

STT_FINAL_S = 2.0  # a recogniser that has not answered by then has its partial taken
NOISE_MS = 450.0  # speech shorter than this in which nothing was recognised was no turn
FAILED_TURNS = 2  # failures in a row after which the call is given up
FILLER_MS = 250.0  # to notice that it is time, and for the filler to be audible
FILLER_AFTER_MS = 200.0  # thinking that needs no excuse, however long the wait before it was
GOODBYE_GRACE_MS = 2000.0  # a goodbye's mark that does not come back is waited for no longer

R = TypeVar("R")


class Stages(msgspec.Struct, frozen=True):
    """One call's engines."""

    vad: VadStream
    stt: SttSession
    llm: Llm
    tts: Tts


class Setup(msgspec.Struct, frozen=True):
    """What a call is about. `now` is aware and fixed for the call; `greeting` is ready to be spoken."""

    agent: AgentSettings
    greeting: str
    system_prompt: str
    facts: dict[str, Any]
    now: datetime
    voice: Voice
    toolbox: Callable[[Callable[[], None]], Toolbox]  # given how to hang up
    inbound: AudioFormat
    ahead_ms: float = 300.0


class Conversation:
    """One call. Make it, `run` it, `feed` it; `end` stops it from outside."""

    def __init__(
        self, setup: Setup, stages: Stages, outlet: Outlet, journal: Journal, tape: Tape, pacer: Pacer
    ) -> None:
        policy, language = setup.agent.turn, setup.agent.language
        self._setup = setup
        self._stages = stages
        self._outlet = outlet
        self._tape = tape
        self._pacer = pacer
        self._phrases = phrases(language)
        self.worst_loop_lag_ms = 0.0
        self.clock = CallClock()
        self.mouth = Mouth(outlet, tape, pacer, self.clock, setup.ahead_ms)
        self._ear = Ear(stages.vad, stages.stt, Endpointer(policy, language), setup.inbound.rate_hz)
        self._floor = TurnMachine(policy, language)
        self._toolbox = setup.toolbox(self._hang_up_after_reply)
        history = History(setup.system_prompt, self._toolbox.has_side_effect)
        self._minutes = Minutes(journal, outlet, history, self._now)
        self._keypad = Keypad()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended = asyncio.Event()
        self._reason: EndReason | None = None
        self._hang_up: EndReason | None = None  # end the call once the running reply was heard
        self._closing_ms: float | None = None  # the goodbye should have been heard by then
        self._reply: Reply | None = None
        self._reply_task: asyncio.Task[None] | None = None
        self._flush: asyncio.Task[Transcript | StageError] | None = None
        self._speech_end_ms = 0.0
        self._quiet_since_ms = 0.0
        self._filler_due_ms = 0.0
        self._failed_turns = 0
        self._reprompts = 0

    # --- life ---------------------------------------------------------------------------------------

    async def run(self) -> EndReason:
        """Greet, converse, and return why it ended. Everything it started is over by then."""
        self._pacer.watch(self)
        try:
            async with asyncio.TaskGroup() as self._group:
                if self._setup.greeting and self._reason is None:
                    self._floor.protected = self._setup.agent.turn.protect_greeting
                    self._say(self._setup.greeting)
                await self._ended.wait()
                for task in self._tasks:
                    task.cancel()
        finally:
            self._group = None
            self._pacer.unwatch(self)
            self._cancel_reply()
            self._minutes.close("", None, interrupted=True)
            self._minutes.abandon_utterance(self._ear.partial)
            self._floor.end()
            await self._stages.stt.close()
        assert self._reason is not None
        return self._reason

    def end(self, reason: EndReason) -> None:
        """Stop. The first reason given stands."""
        if self._reason is None:
            self._reason = reason
            self._ended.set()

    def say_goodbye(self, reason: EndReason) -> None:
        """Break off politely: a closing sentence, then the end."""
        if self._reason is not None or self._hang_up is not None:
            return
        closing = {
            EndReason.MAX_DURATION: self._phrases.time_is_up,
            EndReason.CALLER_SILENT: self._phrases.silent_goodbye,
        }
        self._cancel_reply()
        self._minutes.close("", None, interrupted=True)
        self._minutes.abandon_utterance(self._ear.partial)
        self._ear.drop()
        self._hang_up = reason
        self._floor.protected = True
        self._say(closing.get(reason, self._phrases.closing_down))

    # --- what comes in ------------------------------------------------------------------------------

    def feed(self, audio: bytes, start_ms: float) -> None:
        """Exactly one 20 ms frame in the inbound format, at its place in call time. Never blocks."""
        if self._reason is not None:
            return
        self.clock.arrived(start_ms + FRAME_MS, self._pacer.now_ms())
        codec = self._setup.inbound.codec
        pcm = audio if codec is Codec.PCM16 else to_pcm16(audio, codec)
        self._tape.caller(start_ms, pcm)
        if self._group is None:
            return  # kept from before the call runs: recorded, but nobody listens yet
        boundary = self._ear.feed(pcm, start_ms)
        if boundary is not None:
            self._on_boundary(boundary)
        elif self._floor.floor is Floor.OVERLAP:
            self._do(self._floor.speech_continues(self._ear.endpointer.speech_ms, self._ear.partial))

    def mark_returned(self, name: str) -> None:
        self.mouth.mark_returned(name)
        self._close_when_heard()

    def dtmf(self, digit: str) -> None:
        """A key was pressed: interrupts the agent; a finished entry is the caller's turn."""
        if self._reason is not None:
            return
        self._minutes.event(EventKind.DTMF, digit=digit)
        self._quiet_since_ms = self._now()
        if commands := self._floor.interrupt():
            self._do(commands)
            self._minutes.utterance = None
            self._ear.drop()
        self._keypad.press(digit, self._now())

    def tick(self, now_ms: float) -> None:
        """From the pacer, each 20 ms while the agent speaks."""
        self.mouth.tick(now_ms)
        if self.mouth.finished(now_ms):
            self._reply_over()

    def watch(self, now_ms: float) -> None:
        """From the pacer, each 100 ms: the deadlines of the call."""
        now = self.clock.at(now_ms)
        if not self.clock.started or self._reason is not None:
            return
        self.worst_loop_lag_ms = max(self.worst_loop_lag_ms, self._pacer.lag_ms)
        self._close_when_heard()
        limits, floor = self._setup.agent.limits, self._floor.floor
        if now > limits.max_call_s * 1000.0:
            self.say_goodbye(EndReason.MAX_DURATION)
        elif floor is Floor.LISTENING:
            if entry := self._keypad.finished(now):
                self._commit_keys(entry)
            elif now - self._quiet_since_ms > limits.caller_silence_s * 1000.0:
                self._caller_silent(now)
        elif floor is Floor.THINKING and now > self._filler_due_ms:
            self._fill_silence()

    # --- the caller's side --------------------------------------------------------------------------

    def _on_boundary(self, boundary: Boundary) -> None:
        if isinstance(boundary, SpeechStarted):
            self._minutes.event(EventKind.CALLER_STARTED_SPEAKING, speech_start_ms=boundary.at_ms)
            self._do(self._floor.speech_started(), boundary.at_ms)
        elif isinstance(boundary, SpeechPaused):
            self._speech_end_ms = boundary.speech_end_ms
            self._ear.endpointer.patience.heard(self._ear.partial)
            if self._minutes.utterance is not None:
                self._start_flush()
        elif isinstance(boundary, SpeechResumed):
            self._stop_flush()
        elif isinstance(boundary, TurnEnded):
            self._minutes.event(EventKind.CALLER_STOPPED_SPEAKING, speech_end_ms=self._speech_end_ms)
            if self._floor.floor is Floor.OVERLAP:
                self._spawn(self._judge_overlap())
            else:
                self._do(self._floor.turn_ended(""))

    async def _judge_overlap(self) -> None:
        text = (await self._transcript()).text
        if self._ear.endpointer.state in (Speech.SPEAKING, Speech.PAUSED):
            return  # the caller went on meanwhile: the next end decides
        overlap = self._floor.floor is Floor.OVERLAP
        if overlap or self._floor.floor is Floor.CALLER:  # CALLER: the reply ended, or gave way, meanwhile
            self._do(self._floor.turn_ended(text))
            if overlap and (verdict := self._floor.verdict) and not verdict.barge_in:
                self._minutes.event(EventKind.FALSE_ALARM, reason=verdict.reason, text=text)

    def _start_flush(self) -> None:
        self._stop_flush()
        self._flush = self._spawn(self._flush_utterance())

    async def _flush_utterance(self) -> Transcript | StageError:
        """The failure is a result: it concerns only a turn that still wants the text."""
        try:
            transcript = await self._stages.stt.flush()
        except StageError as error:
            return error
        self._ear.endpointer.patience.heard(transcript.text)
        return transcript

    def _stop_flush(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None

    async def _transcript(self) -> Transcript:
        """The utterance's text; what the recogniser had, when it fails or takes too long."""
        if self._flush is not None:
            try:
                async with asyncio.timeout(STT_FINAL_S):
                    result = await asyncio.shield(self._flush)
            except TimeoutError:
                self._stop_flush()
                result = StageError("no final transcript in time", stage="stt", provider="any")
            if isinstance(result, Transcript):
                return result
            self._minutes.event(EventKind.STAGE_FAILED, stage="stt", error=result.message)
        return Transcript(self._ear.partial)

    # --- commands of the turn machine ---------------------------------------------------------------

    def _do(self, commands: list[Command], at_ms: float = 0.0) -> None:
        for command in commands:
            if command is Command.BEGIN_UTTERANCE:
                self._begin_utterance(at_ms)
            elif command is Command.RESUME_UTTERANCE:
                if self._minutes.take_back():
                    self._ear.resume()
                else:
                    self._begin_utterance(at_ms)
            elif command is Command.DROP_UTTERANCE:
                self._minutes.utterance = None
                self._ear.drop()
            elif command is Command.COMMIT_TURN:
                self._commit()
            elif command is Command.PAUSE_PLAYOUT:
                self.mouth.pause()
            elif command is Command.RESUME_PLAYOUT:
                self.mouth.resume()
            elif command is Command.CANCEL_REPLY:
                self._hang_up = None  # who interrupts a goodbye wants to go on
                verdict = self._floor.verdict
                self._cancel_reply(verdict.reason if verdict else "key")

    def _begin_utterance(self, at_ms: float) -> None:
        self._stop_flush()  # of an earlier utterance: its text must not stand for this one
        self._minutes.begin_utterance(at_ms)
        self._ear.begin(self._floor.expect)

    def _commit(self) -> None:
        self._think(self._minutes.commit(self._speech_end_ms))
        self._reprompts = 0
        self._ear.hold()

    def _commit_keys(self, entry: str) -> None:
        turn = self._minutes.turn = self._minutes.open(self._now())
        self._floor.reply_pending()
        self._think(turn, entry)

    def _think(self, turn: Turn, text: str | None = None) -> None:
        # The wait for the end of the turn was silence too: the caller's patience counts from the last word.
        now, silent_since = self._now(), turn.caller_ended_ms
        patience_ms = self._setup.agent.turn.unexplained_silence_ms - FILLER_MS
        self._filler_due_ms = max(now + FILLER_AFTER_MS, (now if silent_since is None else silent_since) + patience_ms)
        self._reply_task = self._spawn(self._answer(turn, text))

    # --- the agent's side ---------------------------------------------------------------------------

    async def _answer(self, turn: Turn, text: str | None) -> None:
        """Answer a committed turn. `text` is given when it was not spoken."""
        if text is None:
            text = (await self._transcript()).text
            self._minutes.stamp(turn, Mark.TRANSCRIPT)
            if not text and self._speech_end_ms - (turn.caller_started_ms or 0.0) < NOISE_MS:
                self._minutes.turn = None
                self._ear.drop()
                self._floor.nothing_said()
                return
        self._minutes.caller_said(turn, text)
        self._floor.protected = False
        reply = self._new_reply(turn)
        request = LlmRequest(
            messages=self._minutes.history.messages(),
            tools=self._toolbox.specs,
            language=self._setup.agent.language,
            now=self._setup.now,
            facts=self._setup.facts,
        )
        try:
            added = self._minutes.history.added
            await reply.speak_model(dialogue.reply(self._stages.llm, self._toolbox, request, added))
            if not reply.text.strip() and self._hang_up is None:
                raise StageError("the model said nothing", stage="llm", provider="model")
            self._failed_turns = 0
        except StageError as error:
            await self._recover(reply, error)
        self._generated(reply, turn)

    async def _recover(self, reply: Reply, error: StageError) -> None:
        """The turn failed: say so, and give up the call when it keeps failing."""
        self._failed_turns += 1
        self._minutes.event(EventKind.STAGE_FAILED, stage=error.stage, error=error.message)
        give_up = self._failed_turns >= FAILED_TURNS
        if give_up:
            self._hang_up = EndReason.PIPELINE_FAILED
        text = self._phrases.giving_up if give_up else self._phrases.apology
        try:
            await reply.speak_text(text)
            self._minutes.event(EventKind.FALLBACK_SPOKEN, text=text)
        except StageError as mute:
            self._minutes.event(EventKind.STAGE_FAILED, stage=mute.stage, error=mute.message)
            self.end(EndReason.PIPELINE_FAILED)

    def _say(self, text: str) -> None:
        """Speak of our own accord: greeting, re-prompt, goodbye."""
        turn = self._minutes.turn = self._minutes.open(self._now())
        self._floor.reply_pending()
        self._filler_due_ms = math.inf  # a fixed text has nothing to wait for but the voice
        self._reply_task = self._spawn(self._speak(turn, text))

    async def _speak(self, turn: Turn, text: str) -> None:
        reply = self._new_reply(turn)
        try:
            await reply.speak_text(text)
        except StageError as error:
            self._minutes.event(EventKind.STAGE_FAILED, stage=error.stage, error=error.message)
            self._failed_turns += 1
            if self._failed_turns >= FAILED_TURNS:
                self.end(EndReason.PIPELINE_FAILED)
        reply.expect = self._floor.expect
        self._generated(reply, turn)

    def _new_reply(self, turn: Turn) -> Reply:
        def audible() -> None:
            at_ms = self.mouth.first_heard_ms
            assert at_ms is not None
            turn.agent_started_ms = at_ms
            turn.marks.setdefault(Mark.FIRST_AUDIO, at_ms)
            turn.marks.setdefault(Mark.FIRST_FRAME, at_ms)
            self._floor.reply_audible()
            self._pacer.add(self)
            self._minutes.event(EventKind.REPLY_STARTED)

        def stamp(mark: Mark) -> None:
            self._minutes.stamp(turn, mark)

        self._reply = Reply(self._stages.tts, self._setup.voice, self.mouth, stamp, audible)
        return self._reply

    def _generated(self, reply: Reply, turn: Turn) -> None:
        """All of the reply is written and synthesised; it may still be playing."""
        self._minutes.generated(turn, reply)
        for tool in turn.tools:
            self._minutes.event(EventKind.TOOL_FINISHED, **tool)
        self._floor.expect = reply.expect
        self._ear.endpointer.patience.expect(reply.expect)
        self.mouth.complete(reply.generation)
        if self.mouth.first_heard_ms is None:
            self._reply_over()

    def _reply_over(self) -> None:
        """The reply was heard to its end, or there was nothing to hear."""
        self._pacer.remove(self)
        turn, audible = self._minutes.turn, self.mouth.first_heard_ms is not None
        heard = turn.generated_text if turn and audible else ""
        self._minutes.close(heard, self.mouth.playout.ends_ms if audible else None, interrupted=False)
        self._reply = None
        self._quiet_since_ms = self._now()
        self._floor.protected = False
        self._floor.reply_over()
        if self._hang_up is not None:
            self._closing_ms = self._now() + GOODBYE_GRACE_MS
            self._close_when_heard()

    def _close_when_heard(self) -> None:
        """Hang up after a goodbye: when its mark came back, at once without marks, or when that takes too long."""
        if self._hang_up is None or self._closing_ms is None or self._reason is not None:
            return
        if self.mouth.playout.confirmed or not self._outlet.has_marks or self._now() >= self._closing_ms:
            self._outlet.hang_up()
            self.end(self._hang_up)

    def _cancel_reply(self, barge_in: str = "") -> None:
        """Stop the running reply at once; the record keeps what was heard of it, and why the caller took over."""
        if self._reply_task is not None:
            self._reply_task.cancel()
            self._reply_task = None
        self._pacer.remove(self)
        reply, self._reply = self._reply, None
        audible = reply is not None and self.mouth.first_heard_ms is not None
        heard, at_ms = self.mouth.cancel()
        if audible:
            self._quiet_since_ms = at_ms
        turn = self._minutes.turn
        if turn is None:
            return
        if reply is not None:
            self._minutes.generated(turn, reply)
        unasked = turn.caller_started_ms is None  # nobody can go on with a turn that he did not begin
        if audible or unasked or self._minutes.history.acted:
            if barge_in and audible:
                self._minutes.event(EventKind.BARGE_IN, reason=barge_in, heard=heard)
            self._minutes.close(heard, at_ms if audible else None, interrupted=True)

    def _hang_up_after_reply(self) -> None:
        self._hang_up = self._hang_up or EndReason.AGENT_HANGUP

    # --- silence ------------------------------------------------------------------------------------

    def _caller_silent(self, now: float) -> None:
        self._quiet_since_ms = now
        self._minutes.event(EventKind.CALLER_SILENT, reprompts=self._reprompts)
        if self._reprompts >= self._setup.agent.limits.max_reprompts:
            self.say_goodbye(EndReason.CALLER_SILENT)
        else:
            self._reprompts += 1
            self._say(self._phrases.still_there)

    def _fill_silence(self) -> None:
        reply = self._reply
        if reply is not None and not reply.filled and reply.mute:
            reply.filled = True
            self._minutes.event(EventKind.FALLBACK_SPOKEN, text=self._phrases.one_moment)
            self._spawn(self._fill(reply))

    async def _fill(self, reply: Reply) -> None:
        try:
            await reply.fill(self._phrases.one_moment)
        except StageError as error:
            self._minutes.event(EventKind.STAGE_FAILED, stage=error.stage, error=error.message)

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

    def _spawn(self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        assert self._group is not None, "work starts only while the call runs"
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
