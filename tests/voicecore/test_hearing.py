"""Frames wait for the next ones, in order and each at its place, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio import TELEPHONE
from pipelines.conversation import Conversation
from voicecore.hearing import MOST_HELD, Hearing
from voicecore.rota import Rota
from voicecore.transports.messages import Audio
from voicecore.transports.timeline import Timeline, stretches


def frame(number: int) -> bytes:
    return bytes([number % 256]) * 160


class Listener:
    """Stands where the conversation does: so many frames may wait."""

    def __init__(self, spare_frames: int) -> None:
        self.spare_frames = spare_frames
        self.fed: list[tuple[bytes, float, list[float]]] = []

    def feed(self, audio: bytes, start_ms: float, arrivals: Sequence[float] = ()) -> None:
        self.fed.append((audio, start_ms, list(arrivals)))


def no_lag(ms: float) -> None: ...


def new_hearing(failed: Callable[[], None] = lambda: None) -> Hearing:
    ticks = count(1)
    return Hearing(TELEPHONE, lambda: next(ticks) / 50.0, Rota(no_lag), failed)


def hearing(listener: Listener, failed: Callable[[], None] = lambda: None) -> Hearing:
    made = new_hearing(failed)
    made.begin(cast(Conversation, listener))
    return made


async def its_turn() -> None:
    """The event loop comes round."""
    await asyncio.sleep(0)


async def test_frames_wait_for_the_last_that_may() -> None:
    listener = Listener(2)
    heard = hearing(listener)
    heard.frame(Audio(frame(1), 1))
    heard.frame(Audio(frame(2), 2))
    assert listener.fed == []
    heard.frame(Audio(frame(3), 3))
    assert listener.fed == []  # others may be first
    await its_turn()
    assert listener.fed == [(frame(1) + frame(2) + frame(3), 0.0, [20.0, 40.0, 60.0])]


async def test_what_comes_while_others_are_heard_is_heard_with_it() -> None:
    listener = Listener(0)
    heard = hearing(listener)
    for number in range(1, 5):
        heard.frame(Audio(frame(number), number))
    await its_turn()
    assert listener.fed == [(b"".join(map(frame, range(1, 5))), 0.0, [20.0, 40.0, 60.0, 80.0])]
    await its_turn()
    assert len(listener.fed) == 1


async def test_no_more_waits_than_a_few_seconds() -> None:
    listener = Listener(0)
    heard = hearing(listener)
    for number in range(1, MOST_HELD + 1):
        heard.frame(Audio(frame(number), number))
    assert len(listener.fed) == 1  # without the others having had a turn
    heard.frame(Audio(frame(0), MOST_HELD + 1))
    await its_turn()
    assert [len(audio) // 160 for audio, *_ in listener.fed] == [MOST_HELD, 1]


async def test_a_call_that_cannot_be_heard_says_so() -> None:
    class Broken(Listener):
        def feed(self, audio: bytes, start_ms: float, arrivals: Sequence[float] = ()) -> None:
            raise RuntimeError("broken")

    failures: list[str] = []
    broken = hearing(Broken(0), lambda: failures.append("broken"))
    broken.frame(Audio(frame(1), 1))
    await its_turn()
    assert failures == ["broken"]


async def test_what_is_no_single_frame_is_heard_at_once_behind_what_waited() -> None:
    listener = Listener(4)
    heard = hearing(listener)
    heard.frame(Audio(frame(1), 1))
    heard.frame(Audio(frame(2) + frame(3), 2))
    await its_turn()
    assert listener.fed == [(frame(1) + frame(2) + frame(3), 0.0, [20.0, 40.0, 40.0])]


async def test_nothing_is_held_while_anything_may_fall_due_and_what_waits_can_be_called_for() -> None:
    listener = Listener(0)
    heard = hearing(listener)
    heard.frame(Audio(frame(1), 1))
    await its_turn()
    assert len(listener.fed) == 1
    listener.spare_frames = 2
    heard.release()  # it is asked anew after everything that was heard
    heard.frame(Audio(frame(2), 2))
    await its_turn()
    assert len(listener.fed) == 1
    heard.release()
    assert listener.fed[1:] == [(frame(2), 20.0, [40.0])]


async def test_before_the_call_talks_its_audio_is_kept() -> None:
    listener = Listener(0)
    heard = new_hearing()
    for number in range(1, 8):
        heard.frame(Audio(frame(number), number))
    await its_turn()
    heard.release()
    assert heard.timeline.frames == 0
    heard.begin(cast(Conversation, listener))
    assert listener.fed == [(b"".join(map(frame, range(1, 8))), 0.0, [20.0 * n for n in range(1, 8)])]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12))
def test_stretches_keep_every_frame_at_its_place(steps: list[int]) -> None:
    timeline = Timeline(TELEPHONE)
    chunk, placed = 0, []
    for step in steps:
        chunk += step  # more than one: messages were lost
        placed += [(one, start, start + 7.0) for one, start in timeline.place(frame(chunk), chunk)]
    found = [
        (audio[at * 160 : (at + 1) * 160], start + at * 20.0, came)
        for audio, start, arrivals in stretches(placed)
        for at, came in enumerate(arrivals)
    ]
    assert found == placed
