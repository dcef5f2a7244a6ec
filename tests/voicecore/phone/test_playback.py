"""The play-out buffer in virtual time: a tick is 20 ms."""

from hypothesis import given
from hypothesis import strategies as st

from voicecore.phone.playback import FRAME_BYTES, SILENT_FRAME, Playback


def frame(value: int) -> bytes:
    return bytes([value]) * FRAME_BYTES


def test_audio_is_played_in_the_order_it_came_and_silence_after_it() -> None:
    playback = Playback()
    playback.feed(frame(1) + frame(2))
    playback.feed(frame(3))
    assert [playback.tick().audio for _ in range(4)] == [frame(1), frame(2), frame(3), SILENT_FRAME]


def test_a_mark_comes_back_with_the_frame_that_ends_the_audio_before_it() -> None:
    playback = Playback()
    playback.feed(frame(1) + frame(2))
    assert playback.mark("first") == ()
    playback.feed(frame(3))
    assert playback.mark("second") == ()
    assert playback.mark("third") == ()
    assert [playback.tick().marks for _ in range(4)] == [(), ("first",), ("second", "third"), ()]


def test_a_mark_on_an_empty_buffer_comes_back_at_once() -> None:
    playback = Playback()
    assert playback.mark("now") == ("now",)
    playback.feed(frame(1))
    playback.tick()
    assert playback.mark("again") == ("again",)


def test_clear_empties_the_buffer_and_returns_every_pending_mark() -> None:
    playback = Playback()
    playback.feed(frame(1) * 5)
    playback.mark("a")
    playback.feed(frame(2) * 5)
    playback.mark("b")
    playback.tick()
    assert playback.clear() == ("a", "b")
    assert playback.tick() == (SILENT_FRAME, ())
    assert playback.mark("after") == ("after",)
    assert (playback.clears, playback.cleared_bytes, playback.pending_marks) == (1, 9 * FRAME_BYTES, 0)


def test_audio_after_a_clear_starts_at_its_own_beginning() -> None:
    playback = Playback()
    playback.feed(frame(1) * 2)
    playback.tick()
    playback.clear()
    playback.feed(frame(7))
    assert playback.tick().audio == frame(7)


def test_a_partial_frame_is_padded_when_nothing_follows_it_in_time() -> None:
    playback = Playback()
    playback.feed(b"\x01" * 100)
    playback.mark("end")
    played = playback.tick()
    assert played.audio == b"\x01" * 100 + b"\xff" * 60
    assert played.marks == ("end",)
    assert playback.partial_frames == 1


def test_odd_pieces_are_joined_without_padding() -> None:
    playback = Playback()
    for size in (1, 159, 100, 100, 120):
        playback.feed(bytes([size]) * size)
    heard = b"".join(playback.tick().audio for _ in range(3))
    assert heard == b"".join(bytes([size]) * size for size in (1, 159, 100, 100, 120))
    assert playback.partial_frames == 0


def test_a_hole_in_a_sentence_is_an_underrun_and_a_pause_between_answers_is_not() -> None:
    playback = Playback()
    playback.feed(frame(1))
    playback.tick()
    playback.tick()
    playback.feed(frame(1))  # 20 ms late
    playback.tick()
    assert playback.underruns == 1
    for _ in range(30):
        playback.tick()
    playback.feed(frame(1))
    assert playback.underruns == 1


def test_audio_right_after_a_clear_is_no_underrun() -> None:
    playback = Playback()
    playback.feed(frame(1))
    playback.tick()
    playback.clear()
    playback.feed(frame(1))
    assert playback.underruns == 0


step = st.one_of(
    st.integers(0, 700).map(lambda size: ("feed", size)),
    st.just(("mark", 0)),
    st.just(("clear", 0)),
    st.just(("tick", 0)),
)


@given(st.lists(step, max_size=80))
def test_no_byte_is_played_twice_or_out_of_order_and_every_mark_comes_back_once(
    steps: list[tuple[str, int]],
) -> None:
    playback = Playback()
    fed = bytearray()  # value 0..250: position modulo 251, so silence (255) is not among them
    heard: list[int] = []
    placed: list[str] = []
    returned: list[str] = []
    for action, size in steps:
        if action == "feed":
            piece = bytes((len(fed) + at) % 251 for at in range(size))
            fed += piece
            playback.feed(piece)
        elif action == "mark":
            placed.append(str(len(placed)))
            returned += playback.mark(placed[-1])
        elif action == "clear":
            returned += playback.clear()
        else:
            audio, marks = playback.tick()
            heard += [value for value in audio if value != 255]
            returned += marks
    returned += playback.clear()
    assert returned == placed
    assert len(heard) + playback.cleared_bytes == len(fed)
    remaining = iter(fed)
    assert all(value in remaining for value in heard)  # a subsequence
