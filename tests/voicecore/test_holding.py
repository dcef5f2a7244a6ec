"""Messages of audio wait for the next ones, in order, and nothing else does."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio import TELEPHONE
from voicecore.holding import Holding
from voicecore.transports.messages import Audio
from voicecore.transports.timeline import Timeline, stretches
from voicecore.transports.twilio import TwilioDialect

SILENCE = b"/" * 216  # 20 ms in base64


def media(chunk: int, payload: bytes = SILENCE) -> bytes:
    return b'{"event":"media","media":{"chunk":"%d","payload":"%b"}}' % (chunk, payload)


def holding(spare: int) -> Holding:
    ticks = count(1)
    made = Holding(TwilioDialect.audio_heads, lambda: next(ticks) / 50.0)
    made.expect(TELEPHONE)
    made.spare = spare
    return made


def test_frames_wait_for_the_last_that_may() -> None:
    held = holding(2)
    assert held.add(media(1)) is None
    assert held.add(media(2)) is None
    assert held.add(media(3)) == [(media(1), 20.0), (media(2), 40.0), (media(3), 60.0)]
    assert held.release() == []


def test_whatever_is_no_single_frame_of_audio_is_handled_at_once_behind_what_waited() -> None:
    held = holding(4)
    for other in (b'{"event":"dtmf","dtmf":{"digit":"1"}}', b'{ "event":"media"}', media(2, SILENCE * 2), b"junk"):
        assert held.add(media(1)) is None
        batch = held.add(other)
        assert batch is not None
        assert [data for data, _ in batch] == [media(1), other]


def test_nothing_is_held_while_anything_may_fall_due_and_what_waits_can_be_called_for() -> None:
    held = holding(0)
    assert held.add(media(1)) == [(media(1), 20.0)]
    held.spare = 2
    assert held.add(media(2)) is None
    assert held.release() == [(media(2), 40.0)]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12))
def test_stretches_keep_every_frame_at_its_place(steps: list[int]) -> None:
    timeline, dialect = Timeline(TELEPHONE), TwilioDialect()
    chunk, placed = 0, []
    for step in steps:
        chunk += step  # more than one: messages were lost
        audio = dialect.receive(media(chunk, b"%b" % (b"AAAA" * 53 + b"AAA=")))
        assert isinstance(audio, Audio)
        placed += [(frame, start, start + 7.0) for frame, start in timeline.place(audio.payload, audio.chunk)]
    found = [
        (audio[at * 160 : (at + 1) * 160], start + at * 20.0, came)
        for audio, start, arrivals in stretches(placed)
        for at, came in enumerate(arrivals)
    ]
    assert found == placed
