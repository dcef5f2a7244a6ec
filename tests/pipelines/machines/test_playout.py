"""The ledger of what was queued, sent and heard."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio import FRAME_MS, TELEPHONE, AudioFormat, Codec, silence
from pipelines.machines.playout import CHUNK_MS, Playout, Release
from pipelines.stages import Word

AHEAD_MS = 200.0
FRAME_BYTES = FRAME_MS * 8


def audio(ms: float, first: int = 0) -> bytes:
    """Telephone audio in which every byte tells where it is (never the byte of silence)."""
    return bytes((first + i) % 251 for i in range(round(ms * 8)))


def due(playout: Playout, now_ms: float) -> list[Release]:
    releases = []
    while (release := playout.release(now_ms)) is not None:
        releases.append(release)
    return releases


def playing(ms: float, *, text: str = "", words: tuple[Word, ...] = (), complete: bool = True) -> Playout:
    playout = Playout(TELEPHONE, AHEAD_MS)
    generation = playout.begin()
    if text:
        playout.open_text(generation, text)
    playout.feed(generation, audio(ms), words)
    if complete:
        playout.complete(generation)
    return playout


def run(playout: Playout, from_ms: float, to_ms: float) -> list[Release]:
    """Ticks each 20 ms."""
    return [r for now in range(int(from_ms), int(to_ms), FRAME_MS) for r in due(playout, float(now))]


def test_a_reply_leaves_whole_in_order_and_in_time() -> None:
    playout = playing(1000.0)
    releases = run(playout, 5000, 6100)
    assert b"".join(r.audio for r in releases) == audio(1000.0)
    assert releases[0].heard_at_ms == 5000.0
    assert all(a.heard_at_ms + len(a.audio) / 8 == b.heard_at_ms for a, b in pairwise(releases))
    assert [r.last for r in releases] == [False] * (len(releases) - 1) + [True]
    assert not playout.finished(5990.0)
    assert playout.finished(6000.0)
    assert playout.underruns == 0


def test_a_last_partial_frame_is_filled_up_with_silence() -> None:
    playout = playing(110.0)
    sent = b"".join(r.audio for r in run(playout, 0, 200))
    assert sent == audio(110.0) + silence(TELEPHONE, 10)


def test_a_partial_frame_waits_while_more_may_come() -> None:
    playout = playing(110.0, complete=False)
    assert sum(len(r.audio) for r in run(playout, 0, 100)) == 100 * 8
    playout.feed(playout.generation, audio(30.0, 110 * 8 % 251))
    assert sum(len(r.audio) for r in run(playout, 100, 200)) == 40 * 8
    assert playout.waiting is False


def test_pcm_is_cut_at_frames_of_its_own_size() -> None:
    playout = Playout(AudioFormat(Codec.PCM16, 16000), AHEAD_MS)
    generation = playout.begin()
    playout.feed(generation, b"\x01\x02" * 16 * 50)
    playout.complete(generation)
    releases = run(playout, 0, 200)
    assert all(len(r.audio) % (2 * 16 * FRAME_MS) == 0 for r in releases)
    assert sum(len(r.audio) for r in releases) == 2 * 16 * 60


def test_audio_of_a_cancelled_generation_is_dropped_and_counted() -> None:
    playout = playing(1000.0, complete=False)
    old = playout.generation
    due(playout, 0.0)
    playout.cancel()
    assert due(playout, 100.0) == []
    assert playout.feed(old, audio(50.0)) is False
    assert playout.stale_bytes == 50 * 8
    new = playout.begin()
    assert playout.feed(old, audio(30.0)) is False
    playout.open_text(old, "late")
    playout.complete(old)
    assert playout.stale_bytes == 80 * 8
    assert playout.spoken == []
    assert playout.feed(new, b"\x01" * FRAME_BYTES)
    assert [r.audio for r in due(playout, 500.0)] == [b"\x01" * FRAME_BYTES]
    assert not playout.finished(10_000.0)  # the old completion did not complete the new reply


def test_a_pause_is_no_underrun_and_loses_nothing() -> None:
    playout = playing(1000.0)
    before = run(playout, 0, 200)
    playout.pause()
    assert run(playout, 200, 3000) == []
    playout.resume()
    after = run(playout, 3000, 4000)
    assert b"".join(r.audio for r in [*before, *after]) == audio(1000.0)
    assert after[0].heard_at_ms == 3000.0
    assert playout.underruns == 0
    assert playout.finished(4000.0)


def test_a_voice_that_is_too_slow_is_an_underrun() -> None:
    playout = playing(100.0, complete=False)
    run(playout, 0, 300)
    playout.feed(playout.generation, audio(100.0))
    assert next(r.heard_at_ms for r in run(playout, 300, 400)) == 300.0
    assert playout.underruns == 1


@pytest.mark.parametrize("stall_ms", [100, 200])
def test_a_stall_shorter_than_what_is_ahead_is_not_heard(stall_ms: int) -> None:
    playout = Playout(TELEPHONE, 300.0)
    generation = playout.begin()
    playout.feed(generation, audio(2000.0))
    playout.complete(generation)
    before = run(playout, 0, 500)
    now = 500.0 + stall_ms
    caught_up = due(playout, now)
    assert playout.ends_ms - now >= 300.0 - CHUNK_MS - FRAME_MS  # one tick makes up for all that were missed
    assert caught_up[0].heard_at_ms == before[-1].heard_at_ms + len(before[-1].audio) / 8
    run(playout, int(now) + FRAME_MS, 2600)
    assert playout.underruns == 0
    assert playout.finished(2000.0)


@settings(max_examples=80, deadline=None)
@given(
    pieces=st.lists(st.integers(1, 4000), min_size=1, max_size=12),
    gaps=st.lists(st.sampled_from([20.0, 20.0, 20.0, 40.0, 220.0, 1000.0]), min_size=1, max_size=40),
    pauses=st.sets(st.integers(0, 39)),
)
def test_no_byte_is_lost_doubled_or_early_whatever_happens(
    pieces: list[int], gaps: list[float], pauses: set[int]
) -> None:
    playout = Playout(TELEPHONE, AHEAD_MS)
    generation = playout.begin()
    now, fed, releases = 0.0, b"", []
    waiting = list(pieces)

    def tick() -> None:
        for release in due(playout, now):
            assert release.heard_at_ms >= now - 1e-6
            assert release.heard_at_ms + len(release.audio) / 8 - now <= AHEAD_MS + 1e-6
            assert len(release.audio) % FRAME_BYTES == 0
            assert len(release.audio) <= CHUNK_MS * 8
            releases.append(release)

    for step, gap in enumerate(gaps):
        playout.pause() if step in pauses else playout.resume()
        if waiting:
            piece = audio(waiting[0] / 8, len(fed) % 251)[: waiting.pop(0)]
            fed += piece
            playout.feed(generation, piece)
        tick()
        now += gap
    playout.resume()
    for size in waiting:
        piece = audio(size / 8, len(fed) % 251)
        fed += piece
        playout.feed(generation, piece)
    playout.complete(generation)
    while not playout.finished(now):
        tick()
        now += 20.0
    sent = b"".join(r.audio for r in releases)
    assert sent[: len(fed)] == fed
    assert sent[len(fed) :] == silence(TELEPHONE, 20)[: len(sent) - len(fed)]
    assert len(sent) - len(fed) < FRAME_BYTES
    assert playout.line.heard_ms(now) == pytest.approx(len(sent) / 8)


# --- heard ----------------------------------------------------------------------------------------

WORDS = (Word("one", 0, 200), Word("two", 200, 400), Word("three", 400, 800), Word("four", 800, 1000))


@pytest.mark.parametrize(
    ("after_ms", "heard"),
    [
        (0, ""),
        (90, ""),
        (110, "one"),
        (310, "one two"),
        (590, "one two"),
        (610, "one two three"),
        (1000, "one two three four"),
    ],
)
def test_a_word_is_heard_once_its_middle_was_played(after_ms: int, heard: str) -> None:
    playout = playing(1000.0, text="one two three four", words=WORDS)
    run(playout, 2000, 2000 + after_ms + 1)
    assert playout.heard_text(2000.0 + after_ms) == heard


def test_without_word_times_the_share_of_the_audio_decides() -> None:
    playout = playing(1000.0, text="one two three four")
    run(playout, 0, 1100)
    assert playout.heard_text(0.0) == ""
    assert playout.heard_text(500.0) == "one two"
    assert playout.heard_text(999.5) == "one two three four"


def test_a_text_whose_audio_is_not_complete_was_not_heard_whole() -> None:
    text = "a rather long sentence whose voice has only just begun to speak"
    playout = playing(200.0, text=text, complete=False)
    run(playout, 0, 1000)
    heard = playout.heard_text(1000.0)
    assert text.startswith(heard)
    assert len(heard) < len(text) / 2
    playout.complete(playout.generation)
    assert playout.heard_text(1000.0) == text


def test_words_that_are_still_to_come_are_not_heard() -> None:
    playout = playing(200.0, text="one two three four", words=WORDS[:1], complete=False)
    run(playout, 0, 1000)
    assert playout.heard_text(1000.0) == "one"


def test_chunks_are_heard_one_after_the_other() -> None:
    playout = playing(1000.0, text="one two three four", words=WORDS, complete=False)
    playout.open_text(playout.generation, "and five")
    playout.feed(playout.generation, audio(400.0), (Word("and", 0, 200), Word("five", 200, 400)))
    playout.complete(playout.generation)
    run(playout, 0, 1500)
    assert playout.heard_text(990.0) == "one two three four"
    assert playout.heard_text(1150.0) == "one two three four and"
    assert playout.heard_text(1400.0) == "one two three four and five"


def test_a_pause_is_not_heard_time() -> None:
    playout = playing(1000.0, text="one two three four", words=WORDS)
    run(playout, 0, 20)  # 180 ms are out
    playout.pause()
    assert playout.line.heard_ms(5000.0) == playout.position_ms == 180.0
    assert playout.heard_text(5000.0) == "one"
    playout.resume()
    due(playout, 5000.0)
    assert playout.line.heard_ms(5050.0) == 230.0


def test_marks_only_move_the_ledger_forward() -> None:
    playout = playing(1000.0)
    run(playout, 0, 400)
    generation = playout.generation
    playout.confirm(generation, 100.0, 0, 300.0)
    assert playout.line.heard_ms(300.0) == 300.0
    playout.confirm(generation, 450.0, 0, 300.0)
    assert playout.line.heard_ms(300.0) == 450.0
    playout.confirm(generation, 200.0, 0, 300.0)
    assert playout.line.heard_ms(300.0) == 450.0
    playout.confirm(generation, 99_000.0, 0, 300.0)  # never more than was sent
    assert playout.line.heard_ms(300.0) == playout.position_ms


def test_the_mark_at_the_end_finishes_a_reply_early_but_a_stale_one_does_not() -> None:
    playout = playing(100.0)
    due(playout, 0.0)
    playout.confirm(playout.generation - 1, 100.0, 0, 50.0)
    assert not playout.finished(50.0)
    playout.confirm(playout.generation, 100.0, 0, 50.0)
    assert playout.line.confirmed
    assert playout.finished(50.0)


def test_what_a_clear_took_back_is_sent_again_from_where_the_ear_stopped() -> None:
    playout = playing(1000.0, text="one two three four", words=WORDS)
    before = run(playout, 0, 310)  # in the middle of a word
    playout.pause()
    playout.take_back(310.0)
    assert due(playout, 310.0) == []
    assert playout.line.heard_ms(5000.0) == playout.position_ms == 310.0
    assert playout.heard_text(5000.0) == "one two"
    assert playout.unheard_ms(5000.0) == 690.0
    playout.resume()
    after = run(playout, 5000, 6000)
    assert b"".join(r.audio for r in before)[: 310 * 8] + b"".join(r.audio for r in after) == audio(1000.0) + silence(
        TELEPHONE, 10
    )
    assert after[0].heard_at_ms == 5000.0
    assert playout.underruns == 0
    assert playout.finished(5700.0)


def test_the_last_text_is_known_only_when_no_other_can_follow() -> None:
    playout = playing(1000.0, text="It is moved.", complete=False)
    playout.open_text(playout.generation, "Anything else?")
    playout.feed(playout.generation, audio(800.0))
    run(playout, 0, 2000)
    assert playout.in_last_text(1500.0) == ""
    assert playout.unheard_ms(1500.0) == inf
    playout.complete(playout.generation)
    assert playout.in_last_text(900.0) == ""
    assert playout.in_last_text(1000.0) == "Anything else?"
