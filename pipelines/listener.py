"""The caller's side of one call: the utterance being spoken, and its text once the recogniser has it.

It decides nothing about turns: it is told when an utterance begins, goes on, is dropped or committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pipelines.abilities import Hurried
from pipelines.ear import Ear
from pipelines.errors import StageError
from pipelines.machines.endpointing import Speech
from pipelines.minutes import Minutes
from pipelines.stages import Expect, SttSession, Transcript
from pipelines.tasks import CallTasks
from pipelines.timing import Mark, Turn
from pipelines.watchdog import Watchdog

STT_FINAL_MS = 2500.0  # after the pause; a recogniser that has not answered by then has its partial taken
NOISE_MS = 450.0  # speech shorter than this in which nothing was recognised was no turn


class Listener:
    """One utterance at a time. `understood` is told the text of every pause, as soon as there is one."""

    def __init__(self, ear: Ear, stt: SttSession, minutes: Minutes, tasks: CallTasks) -> None:
        self._ear = ear
        self._stt = stt
        self._minutes = minutes
        self._tasks = tasks
        self.understood: Callable[[str], None] = lambda text: None
        self._flush: asyncio.Task[Transcript | StageError] | None = None
        self._flushed_ms = 0.0  # when the newest flush began
        self._final_ms: float | None = None  # when it had its result
        self._failed: StageError | None = None  # why there is none
        self.speech_end_ms = 0.0  # last sample of speech so far

    @property
    def paused(self) -> bool:
        """In a pause that may be the end, or not."""
        return self._ear.endpointer.state is Speech.PAUSED

    @property
    def turn_ends_ms(self) -> float:
        """When the turn is over if the caller stays silent, by what is known now."""
        return self.speech_end_ms + self._ear.endpointer.patience.wait_ms()

    @property
    def caller_speaking(self) -> bool:
        """Also in a pause that may still be the end."""
        return self._ear.endpointer.state in (Speech.SPEAKING, Speech.PAUSED)

    def expect(self, expect: Expect, length: int = 0) -> None:
        """What the agent's last question asked for (a number of `length` digits): answers are waited for by it."""
        self._ear.endpointer.patience.expect(expect, length)

    # --- an utterance -------------------------------------------------------------------------------

    def begin(self, at_ms: float, expect: Expect) -> None:
        self._stop_flush()  # of an earlier utterance: its text must not stand for this one
        self._minutes.begin_utterance(at_ms)
        self._ear.begin(expect)

    def resume(self, at_ms: float, expect: Expect) -> None:
        """The caller goes on with the committed turn; with a new one when that was acted upon already."""
        if self._minutes.take_back():
            self._stop_flush()  # its text lacks what follows
            self._ear.endpointer.went_on()
            self._ear.resume()
        else:
            self.begin(at_ms, expect)

    def speech_paused(self, speech_end_ms: float) -> None:
        """Recognition is flushed at once: when the turn turns out to be over, its text is there sooner."""
        self.speech_end_ms = speech_end_ms
        self._ear.endpointer.patience.guessed(self._ear.partial)
        if self._minutes.utterance is not None:
            self._stop_flush()
            self._flushed_ms = self._minutes.now()
            self._flush = self._tasks.spawn(self._flush_utterance())

    def speech_resumed(self) -> None:
        self._stop_flush()

    def commit(self) -> Turn:
        """The utterance is the caller's turn; it is held, because he may still go on."""
        self._ear.hold()
        if isinstance(self._stt, Hurried):
            self._stt.hurry()
        return self._minutes.commit(self.speech_end_ms)

    def drop(self) -> None:
        """It was nothing, or is wanted no longer."""
        self._stop_flush()
        self._minutes.forget_utterance()
        self._ear.drop()

    def abandon(self) -> None:
        """Broken off from our side: what was understood is kept on the record."""
        self._minutes.abandon_utterance(self.known_text)

    @property
    def known_text(self) -> str:
        """The newest that is known of the utterance, without waiting for more."""
        flush = self._flush
        if flush is not None and flush.done() and not flush.cancelled():
            result = flush.result()
            if isinstance(result, Transcript):
                return result.text
        return self._ear.partial

    # --- its text -----------------------------------------------------------------------------------

    async def turn_text(self, turn: Turn) -> str | StageError | None:
        """The text of the committed turn; the failure when that left nothing of it; None when there was nothing but a
        noise: then it is no turn any more."""
        text = (await self.transcript(self._flushed_ms + STT_FINAL_MS)).text
        turn.marks[Mark.TRANSCRIPT] = self._minutes.now() if self._final_ms is None else self._final_ms
        if not text and self._failed is not None:
            return self._failed
        if not text and self.speech_end_ms - (turn.caller_started_ms or 0.0) < NOISE_MS:
            self._minutes.forget_turn()
            self._ear.drop()
            return None
        return text

    async def transcript(self, until_ms: float) -> Transcript:
        """The utterance's text; what the recogniser had, when it fails or takes longer than until then."""
        if self._flush is not None:
            try:
                left_s = max(0.0, (until_ms - self._minutes.now()) / 1000.0)
                result = await Watchdog.once(left_s, asyncio.shield(self._flush))
            except TimeoutError:
                self._stop_flush()
                result = StageError("no final transcript in time", stage="stt", provider="any")
            if isinstance(result, Transcript):
                return result
            self._failed = result
            self._minutes.failed(result)
        return Transcript(self._ear.partial)

    async def _flush_utterance(self) -> Transcript | StageError:
        """The failure is a result: it concerns only a turn that still wants the text."""
        try:
            transcript = await self._stt.flush()
        except StageError as error:
            return error
        finally:
            self._final_ms = self._minutes.now()
        self._ear.endpointer.heard(transcript.text)
        self.understood(transcript.text)
        return transcript

    def _stop_flush(self) -> None:
        self._final_ms = self._failed = None
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
