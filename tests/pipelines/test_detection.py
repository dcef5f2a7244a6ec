"""A detector of the end of a turn beside the recogniser: it moves the wait of the pause it was asked in, or nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from screenplay import OFFER, Call
from scripted import Line
from virtual_time import in_virtual_time, pass_ms

from config.schema import TurnPolicy
from pipelines.detection import ANSWER_S, DetectingStt
from pipelines.errors import StageError
from pipelines.events import EventKind
from pipelines.machines.endpointing import Endpointer
from pipelines.stages import Expect, Transcript
from pipelines.timing import Mark

RATE_HZ = 8000
FRAME = bytes(range(160)) * 2
SENTENCE = "i'd like to come in on friday"


class Oracle:
    """A detector that takes its time."""

    def __init__(self, answer: float | StageError, after_ms: float = 20.0) -> None:
        self.answer = answer
        self.after_ms = after_ms
        self.heard: list[bytes] = []

    async def probability(self, pcm: bytes, rate_hz: int) -> float:
        assert rate_hz == RATE_HZ
        self.heard.append(pcm)
        await pass_ms(self.after_ms)
        if isinstance(self.answer, StageError):
            raise self.answer
        return self.answer

    async def close(self) -> None: ...


class Notes:
    """A recogniser that writes down what it is told, and answers at once."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.partial = "what time"

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self.told.append(f"begin {expect}")

    def feed(self, pcm: bytes) -> None:
        self.told.append("feed")

    async def flush(self) -> Transcript:
        self.told.append("flush")
        return Transcript(SENTENCE)

    def end(self) -> None:
        self.told.append("end")

    async def close(self) -> None:
        self.told.append("close")


class Desk:
    """An utterance of so many frames, then a pause, and the wait in it."""

    def __init__(self, oracle: Oracle, frames: int = 30) -> None:
        self.notes = Notes()
        self.failures: list[StageError] = []
        self.endpointer = Endpointer(TurnPolicy())
        self.stt = DetectingStt(self.notes, oracle, self.endpointer, RATE_HZ, self.failures.append)
        self._now_ms = 0.0
        self.stt.begin(Expect.DATE)
        self.hear(True, frames)
        self.hear(False, 6)

    def hear(self, speech: bool, frames: int) -> None:
        for _ in range(frames):
            self.stt.feed(FRAME)
            self.endpointer.feed(self._now_ms, self._now_ms + 20.0, speech)
            self._now_ms += 20.0

    async def pause(self, wait_ms: float, meanwhile: Callable[[], None] = lambda: None) -> float:
        """The recogniser is flushed; the wait after so much time."""
        transcript = await self.stt.flush()
        self.endpointer.patience.heard(transcript.text)
        meanwhile()
        await pass_ms(wait_ms)
        return self.endpointer.patience.wait_ms()


def plain_wait() -> float:
    endpointer = Endpointer(TurnPolicy())
    endpointer.patience.heard(SENTENCE)
    return endpointer.patience.wait_ms()


@in_virtual_time
async def test_its_answer_moves_the_wait_and_never_delays_the_transcript() -> None:
    sure, doubtful = Desk(Oracle(0.9)), Desk(Oracle(0.1))
    assert await sure.pause(0) == plain_wait()  # the text is there, the answer is not
    await pass_ms(30)
    assert sure.endpointer.patience.wait_ms() < plain_wait()
    assert await doubtful.pause(30) > plain_wait()
    assert sure.notes.told[0] == "begin date"
    assert sure.notes.told.count("feed") == 36
    assert sure.stt.partial == "what time"
    await sure.stt.close()
    await doubtful.stt.close()
    assert sure.notes.told[-2:] == ["flush", "close"]


@in_virtual_time
async def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    desk = Desk(Oracle(0.0, after_ms=ANSWER_S * 1000 + 50))
    assert await desk.pause(ANSWER_S * 1000 + 100) == plain_wait()
    assert desk.failures == []
    await desk.stt.close()


@in_virtual_time
async def test_a_failure_is_told_and_changes_nothing() -> None:
    error = StageError("broken", stage="turn", provider="oracle")
    desk = Desk(Oracle(error))
    assert await desk.pause(50) == plain_wait()
    assert desk.failures == [error]
    await desk.stt.close()


@in_virtual_time
async def test_an_answer_about_a_pause_that_is_over_changes_nothing() -> None:
    desk = Desk(Oracle(0.0))

    def goes_on() -> None:
        desk.hear(True, 10)
        desk.hear(False, 6)
        desk.endpointer.patience.heard(SENTENCE)

    assert await desk.pause(50, goes_on) == plain_wait()
    await desk.stt.close()


@in_virtual_time
async def test_it_hears_the_utterance_and_no_more_than_the_last_eight_seconds() -> None:
    oracle = Oracle(0.5)
    desk = Desk(oracle, frames=20)
    await desk.pause(50)
    desk.hear(True, 1200)
    await desk.pause(50)
    desk.stt.end()
    desk.stt.begin()
    desk.hear(True, 5)
    await desk.pause(50)
    assert [len(heard) // len(FRAME) for heard in oracle.heard] == [26, 400, 5]
    await desk.stt.close()


@in_virtual_time
async def test_closing_leaves_no_question_behind() -> None:
    desk = Desk(Oracle(0.5, after_ms=300))
    await desk.stt.flush()
    await pass_ms(10)
    await desk.stt.close()
    assert desk.notes.told[-1] == "close"


# --- in whole calls -------------------------------------------------------------------------------


async def endpoint_wait(oracle: Oracle, failures: int = 0) -> float:
    async with Call([Line(OFFER)], detector=oracle) as call:
        await call.greeted()
        await call.speak(SENTENCE, 1500)
        turn = await call.turn_over()
        failed = [e for e in call.events(EventKind.STAGE_FAILED) if e.data["stage"] == "turn"]
        assert len(failed) == failures
        return turn.marks[Mark.ENDPOINT] - turn.marks[Mark.SPEECH_END]


@in_virtual_time
async def test_a_call_waits_by_it() -> None:
    sure, undecided, doubtful = [await endpoint_wait(Oracle(p)) for p in (1.0, 0.5, 0.1)]
    assert sure < undecided < doubtful
    assert doubtful > 1.7 * undecided
    broken = StageError("broken", stage="turn", provider="oracle")
    assert await endpoint_wait(Oracle(broken), failures=1) == pytest.approx(undecided, abs=25)
