"""Recordings: what lands where in the file, whatever order and size it comes in."""

import threading
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from voicecore.recording import AGENT, CALLER, PEAKS_PER_SECOND, Finished, Recorder, RecordingThread

RATE_HZ = 8000
FRAME = 160


def frame(value: int) -> bytes:
    return np.full(FRAME, value, np.int16).tobytes()


class Tape:
    """A recorder on its own thread, and what came of it."""

    def __init__(self, folder: Path) -> None:
        self.thread = RecordingThread()
        self.recorder = Recorder(self.thread, folder / "calls" / "one.wav", RATE_HZ)

    def finish(self) -> Finished | None:
        done: list[Finished | None] = []
        heard = threading.Event()

        def take(finished: Finished | None) -> None:
            done.append(finished)
            heard.set()

        self.recorder.finish(take)
        assert heard.wait(10)
        self.thread.close()
        return done[0]


def samples(path: Path) -> npt.NDArray[np.int16]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path)


def test_caller_is_left_agent_is_right_each_at_its_place(tape: Tape) -> None:
    for number in range(200):  # four seconds: several hand-overs
        tape.recorder.caller(number * 20.0, frame(number + 1))
    tape.recorder.agent(1000.0, frame(-7) * 5)
    finished = tape.finish()
    assert finished is not None
    assert finished.duration_ms == 4000.0
    heard = samples(finished.path)
    assert (heard[:, CALLER] == np.repeat(np.arange(1, 201), FRAME)).all()
    assert (heard[8000:8800, AGENT] == -7).all()
    assert not heard[:8000, AGENT].any()
    assert not heard[8800:, AGENT].any()
    assert finished.size_bytes == 44 + 4 * 32000


def test_a_loss_leaves_a_gap_of_its_own_length(tape: Tape) -> None:
    tape.recorder.caller(0.0, frame(1))
    tape.recorder.caller(60.0, frame(2))
    finished = tape.finish()
    assert finished is not None
    left = samples(finished.path)[:, CALLER]
    assert left.tolist() == [1] * FRAME + [0] * (2 * FRAME) + [2] * FRAME


def test_what_was_not_heard_is_erased(tape: Tape) -> None:
    tape.recorder.agent(0.0, frame(5) * 10)
    tape.recorder.erase_agent_after(100.0)
    tape.recorder.agent(150.0, frame(6))
    finished = tape.finish()
    assert finished is not None
    right = samples(finished.path)[:, AGENT]
    assert (right[:800] == 5).all()
    assert not right[800:1200].any()
    assert (right[1200:1360] == 6).all()


def test_audio_absurdly_far_ahead_is_left_out(tape: Tape) -> None:
    tape.recorder.caller(0.0, frame(1))
    tape.recorder.agent(10_000_000.0, frame(9))
    finished = tape.finish()
    assert finished is not None
    assert finished.duration_ms == 20.0


def test_peaks_are_the_loudest_of_each_tenth_of_a_second_also_at_full_scale(tape: Tape) -> None:
    for number in range(150):
        tape.recorder.caller(number * 20.0, frame(-32768 if number == 7 else 100))
    tape.recorder.agent(0.0, frame(16384))
    finished = tape.finish()
    assert finished is not None
    peaks = finished.peaks
    assert len(peaks.caller) == 3 * PEAKS_PER_SECOND
    assert peaks.caller[1] == 1.0
    assert set(peaks.caller) == {1.0, round(100 / 32768, 3)}
    assert peaks.agent[0] == 0.5
    assert not any(peaks.agent[1:])


def test_nothing_recorded_leaves_no_file(tape: Tape, tmp_path: Path) -> None:
    assert tape.finish() is None
    assert not list(tmp_path.rglob("*.wav"))


def test_a_disk_that_refuses_ends_the_tape_and_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "calls").write_text("a file where the folder should be")
    tape = Tape(tmp_path)
    tape.recorder.caller(0.0, frame(1))
    assert tape.finish() is None
    assert "could not be finished" in caplog.text
