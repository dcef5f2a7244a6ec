"""Where audio stands in call time: by counting, never by when it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio import TELEPHONE, AudioFormat, Codec
from voicecore.transports.timeline import LONGEST_GAP, RESYNC_AFTER, Timeline


def frame(value: int) -> bytes:
    return bytes([value % 256]) * 160


def starts(timeline: Timeline, *chunks: int | None) -> list[float]:
    return [start for chunk in chunks for _, start in timeline.place(frame(chunk or 0), chunk)]


def test_messages_in_order_follow_each_other() -> None:
    assert starts(Timeline(TELEPHONE), 1, 2, 3) == [0, 20, 40]
    assert starts(Timeline(TELEPHONE), None, None, None) == [0, 20, 40]


def test_the_first_number_is_whatever_it_is() -> None:
    timeline = Timeline(TELEPHONE)
    assert starts(timeline, 17, 18) == [0, 20]
    assert timeline.lost_messages == 0


def test_duplicates_and_inversions_are_dropped_and_counted() -> None:
    timeline = Timeline(TELEPHONE)
    assert starts(timeline, 1, 2, 2, 4, 3, 5) == [0, 20, 60, 80]
    assert (timeline.late_messages, timeline.lost_messages, timeline.frames) == (2, 1, 4)


def test_a_loss_leaves_a_gap_of_its_own_length() -> None:
    timeline = Timeline(TELEPHONE)
    assert starts(timeline, 1, 2, 10, 11) == [0, 20, 180, 200]
    assert timeline.lost_messages == 7


def test_a_leap_beyond_any_loss_is_a_new_numbering() -> None:
    timeline = Timeline(TELEPHONE)
    assert starts(timeline, 1, LONGEST_GAP + 1, 10**30) == [0, LONGEST_GAP * 20.0, LONGEST_GAP * 20.0 + 20]
    assert timeline.lost_messages == LONGEST_GAP - 1


def test_a_numbering_that_starts_again_is_believed_after_half_a_second() -> None:
    timeline = Timeline(TELEPHONE)
    starts(timeline, *range(1, 101))
    again = starts(timeline, *range(1, 101))
    assert len(again) == 100 - RESYNC_AFTER
    assert again[:2] == [2000, 2020]
    assert timeline.late_messages == RESYNC_AFTER


def test_odd_sizes_are_cut_into_whole_frames() -> None:
    timeline = Timeline(TELEPHONE)
    placed = [timeline.place(bytes([at]) * size, None) for at, size in enumerate((100, 100, 0, 441, 159))]
    frames = [piece for pieces in placed for piece in pieces]
    assert [start for _, start in frames] == [0, 20, 40, 60, 80]
    whole = b"\x00" * 100 + b"\x01" * 100 + b"\x03" * 441 + b"\x04" * 159
    assert b"".join(data for data, _ in frames) == whole


def test_sixteen_bits_at_sixteen_kilohertz() -> None:
    timeline = Timeline(AudioFormat(Codec.PCM16, 16000))
    assert [start for _, start in timeline.place(bytes(1280), None)] == [0, 20]


@given(st.lists(st.tuples(st.integers(0, 700), st.none() | st.integers(-5, 600)), max_size=60))
def test_time_never_goes_back_and_no_byte_is_invented(messages: list[tuple[int, int | None]]) -> None:
    timeline = Timeline(TELEPHONE)
    placed = [piece for size, chunk in messages for piece in timeline.place(bytes(size), chunk)]
    at = [start for _, start in placed]
    assert at == sorted(set(at))
    assert all(len(data) == 160 for data, _ in placed)
    assert len(placed) * 160 <= sum(size for size, _ in messages)
    assert timeline.frames == len(placed)
