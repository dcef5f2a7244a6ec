"""A conversation that is noted down for its replay: its settings, its engines, and whatever comes from outside.

It hears nothing of frames and changes nothing of the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from config.schema import StageSettings, masked
from pipelines import trace
from pipelines.audio import FRAME_MS
from pipelines.conversation import Conversation
from pipelines.events import EndReason
from pipelines.journal import Journal, Tape
from pipelines.outlet import Outlet
from pipelines.pacer import Pacer
from pipelines.setup import Setup, Stages
from pipelines.traced_engines import (
    Notebook,
    Scribe,
    TracedDetector,
    TracedLlm,
    TracedStt,
    TracedToolbox,
    TracedTts,
    tenths,
)

MOST_LATE_FRAMES = 3000  # that are noted in one call: a line that is always late says nothing new
OUR_OWN = (EndReason.MAX_DURATION, EndReason.CALLER_SILENT)  # goodbyes that the conversation itself decides upon


class TracedConversation(Conversation):
    """A conversation whose engines and visitors are noted down."""

    def __init__(
        self,
        setup: Setup,
        stages: Stages,
        outlet: Outlet,
        journal: Journal,
        tape: Tape,
        pacer: Pacer,
        *,
        notebook: Notebook,
        engines: Mapping[str, StageSettings],
    ) -> None:
        """`engines`: which one serves which stage (`EngineRoom.stage_settings`)."""
        self._scribe = Scribe(notebook, lambda: self.clock.at(pacer.now_ms()))
        self._time_ms = pacer.now_ms
        self._first_tick = FirstTick(pacer)
        self._over = False
        notebook.note(
            trace.Opened(
                format=trace.FORMAT,
                agent=masked("agent", msgspec.to_builtins(setup.agent)),
                greeting=setup.greeting,
                prompt_characters=len(setup.system_prompt),
                vad=masked("vad", msgspec.to_builtins(engines["vad"])),
                engines={stage: one.provider for stage, one in engines.items()},
                inbound_hz=setup.inbound.rate_hz,
                outbound=outlet.audio_format,
                has_marks=outlet.has_marks,
                ahead_ms=setup.ahead_ms,
            )
        )
        setup = msgspec.structs.replace(
            setup, toolbox=lambda hang_up, make=setup.toolbox: TracedToolbox(make(hang_up), self._scribe)
        )
        stages = Stages(
            vad=stages.vad,
            stt=TracedStt(stages.stt, self._scribe),
            llm=TracedLlm(stages.llm, self._scribe),
            tts=TracedTts(stages.tts, self._scribe),
            turn=TracedDetector(stages.turn, self._scribe) if stages.turn is not None else None,
            meter=stages.meter,
        )
        self._outlet = TracedOutlet(outlet, self._scribe, lambda: self.mouth.playout.ends_ms)
        super().__init__(setup, stages, self._outlet, journal, tape, pacer)
        self._late_frames = 0
        self.clock.on_late = self._note_late

    def _note_late(self, end_ms: float, late_ms: float) -> None:
        self._late_frames += 1
        if self._late_frames <= MOST_LATE_FRAMES:
            self._scribe.note(trace.Late(from_ms=end_ms - FRAME_MS, late_ms=tenths(late_ms)))

    async def run(self) -> EndReason:
        started_ms = self._time_ms()

        def ticked(tick_ms: float) -> None:
            # Only now, with the first audio, it is known when call time began.
            at = self.clock.at
            self._scribe.note(trace.Running(started_ms=tenths(at(started_ms)), tick_ms=tenths(at(tick_ms))))

        self._first_tick.wait(ticked)
        try:
            return await super().run()
        finally:
            self._over = True
            self._first_tick.forget(self._time_ms())

    def mark_returned(self, name: str) -> None:
        due_ms = self._outlet.due_ms.pop(name, None)
        if due_ms is not None:
            now = self._scribe.now()
            self._scribe.note(trace.MarkBack(at_ms=tenths(now), name=name, after_ms=tenths(now - due_ms)))
        super().mark_returned(name)

    def dtmf(self, digit: str) -> None:
        self._scribe.note(trace.Key(at_ms=tenths(self._scribe.now()), digit=digit))
        super().dtmf(digit)

    def say_goodbye(self, reason: EndReason) -> None:
        if reason not in OUR_OWN:
            self._scribe.note(trace.Goodbye(at_ms=tenths(self._scribe.now()), reason=reason.value))
        super().say_goodbye(reason)

    def end(self, reason: EndReason) -> None:
        if not self._over:  # what follows our own hanging up is no news
            self._scribe.note(trace.Ended(at_ms=tenths(self._scribe.now()), reason=reason.value))
        super().end(reason)


class FirstTick:
    """Tells of the pacer's next tick, once; if there was none, of the end."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._told: Callable[[float], None] | None = None

    def wait(self, told: Callable[[float], None]) -> None:
        self._told = told
        self._pacer.watch(self)

    def forget(self, now_ms: float) -> None:
        self._pacer.unwatch(self)
        told, self._told = self._told, None
        if told is not None:
            told(now_ms)

    def watch(self, now_ms: float) -> None:
        self.forget(now_ms)


class TracedOutlet:
    """An `Outlet`; what is spoken does not pass through here. `due_ms`: when the marks under way should return."""

    def __init__(self, inner: Outlet, scribe: Scribe, sent_until: Callable[[], float]) -> None:
        self.send_audio = inner.send_audio
        self.send_transcript = inner.send_transcript
        self.hang_up = inner.hang_up
        self.audio_format = inner.audio_format
        self.has_marks = inner.has_marks
        self.due_ms: dict[str, float] = {}
        self._inner = inner
        self._scribe = scribe
        self._sent_until = sent_until

    def send_mark(self, name: str) -> None:
        self.due_ms[name] = max(self._scribe.now(), self._sent_until())
        self._inner.send_mark(name)

    def send_clear(self) -> bool:
        self.due_ms.clear()  # they come back at once, or never: that says nothing of the line
        works = self._inner.send_clear()
        self._scribe.note(trace.Cleared(at_ms=tenths(self._scribe.now()), works=works))
        return works
