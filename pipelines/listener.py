"""The caller's side of one call: the utterance being spoken, and its text once the recogniser has it.

It decides nothing about turns: it is told when an utterance begins, goes on, is dropped or committed.
"""

from __future__ import annotations

import asyncio

from pipelines.ear import Ear
from pipelines.errors import StageError
from pipelines.events import EventKind
from pipelines.machines.endpointing import Speech
from pipelines.minutes import Minutes
from pipelines.stages import Expect, SttSession, Transcript
from pipelines.tasks import CallTasks
from pipelines.timing import Mark, Turn

STT_FINAL_S = 2.0  # a recogniser that has not answered by then has its partial taken
NOISE_MS = 450.0  # speech shorter than this in which nothing was recognised was no turn


class Listener:
    """One utterance at a time."""

    def __init__(self, ear: Ear, stt: SttSession, minutes: Minutes, tasks: CallTasks) -> None:
        self._ear = ear
        self._stt = stt
        self._minutes = minutes
        self._tasks = tasks
        self._flush: asyncio.Task[Transcript | StageError] | None = None
        self.speech_end_ms = 0.0  # last sample of speech so far

    @property
    def caller_speaking(self) -> bool:
        """Also in a pause that may still be the end."""
        return self._ear.endpointer.state in (Speech.SPEAKING, Speech.PAUSED)

    def expect(self, expect: Expect) -> None:
        """What the agent's last question asked for: it changes how long the end of an answer is waited for."""
        self._ear.endpointer.patience.expect(expect)

    # --- an utterance -------------------------------------------------------------------------------

    def begin(self, at_ms: float, expect: Expect) -> None:
        self._stop_flush()  # of an earlier utterance: its text must not stand for this one
        self._minutes.begin_utterance(at_ms)
        self._ear.begin(expect)

    def resume(self, at_ms: float, expect: Expect) -> None:
        """The caller goes on with the committed turn; with a new one when that was acted upon already."""
        if self._minutes.take_back():
            self._ear.resume()
        else:
            self.begin(at_ms, expect)

    def speech_paused(self, speech_end_ms: float) -> None:
        """Recognition is flushed at once: when the turn turns out to be over, its text is there sooner."""
        self.speech_end_ms = speech_end_ms
        self._ear.endpointer.patience.heard(self._ear.partial)
        if self._minutes.utterance is not None:
            self._stop_flush()
            self._flush = self._tasks.spawn(self._flush_utterance())

    def speech_resumed(self) -> None:
        self._stop_flush()

    def commit(self) -> Turn:
        """The utterance is the caller's turn; it is held, because he may still go on."""
        self._ear.hold()
        return self._minutes.commit(self.speech_end_ms)

    def drop(self) -> None:
        """It was nothing, or is wanted no longer."""
        self._stop_flush()
        self._minutes.forget_utterance()
        self._ear.drop()

    def abandon(self) -> None:
        """Broken off from our side: what was understood is kept on the record."""
        self._minutes.abandon_utterance(self._ear.partial)

    # --- its text -----------------------------------------------------------------------------------

    async def turn_text(self, turn: Turn) -> str | None:
        """The text of the committed turn; None when there was nothing but a noise: then it is no turn any more."""
        text = (await self.transcript()).text
        self._minutes.stamp(turn, Mark.TRANSCRIPT)
        if not text and self.speech_end_ms - (turn.caller_started_ms or 0.0) < NOISE_MS:
            self._minutes.forget_turn()
            self._ear.drop()
            return None
        return text

    async def transcript(self) -> Transcript:
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

    async def _flush_utterance(self) -> Transcript | StageError:
        """The failure is a result: it concerns only a turn that still wants the text."""
        try:
            transcript = await self._stt.flush()
        except StageError as error:
            return error
        self._ear.endpointer.patience.heard(transcript.text)
        return transcript

    def _stop_flush(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
