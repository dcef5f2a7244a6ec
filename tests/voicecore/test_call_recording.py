"""The tape: samples where they belong, what was cleared erased, a playable file at every moment."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines import trace
from voicecore.recording import Recorder, RecordingThread
from voicecore.stereo_file import AGENT, CALLER, Finished, StereoFile, header

RATE = 8000


def pcm(value: int, duration_ms: int = 20) -> bytes:
    return np.full(duration_ms * 8, value, dtype=np.int16).tobytes()


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        data = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
        assert len(data) == file.getnframes()  # the header tells the truth
        return data


@pytest.fixture
def thread() -> Iterator[RecordingThread]:
    made = RecordingThread()
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> StereoFile:
    return StereoFile(tmp_path / "deep" / "call.wav", RATE)


def finish(recorder: Recorder) -> Finished | None:
    done = threading.Event()
    results: list[Finished | None] = []

    def settle(finished: Finished | None) -> None:
        results.append(finished)
        done.set()

    recorder.finish(settle)
    assert done.wait(5)
    return results[0]


def test_both_sides_stand_in_call_time(file: StereoFile, tmp_path: Path) -> None:
    file.write([(CALLER, 0, pcm(1)), (AGENT, 30, pcm(2)), (CALLER, 40, pcm(3))], None)
    finished = file.close(0)
    assert finished is not None
    data = read(finished.path)
    assert data[:, CALLER].tolist() == [1] * 160 + [0] * 160 + [3] * 160
    assert data[:, AGENT].tolist() == [0] * 240 + [2] * 160 + [0] * 80
    assert (finished.duration_ms, finished.size_bytes) == (60, 44 + 480 * 4)


def test_what_was_cleared_is_erased(file: StereoFile) -> None:
    file.write([(AGENT, 0, pcm(5, 100)), (CALLER, 0, pcm(1, 100)), (AGENT, 40, b""), (AGENT, 80, pcm(7))], None)
    finished = file.close(0)
    assert finished is not None
    data = read(finished.path)
    assert data[:, AGENT].tolist() == [5] * 320 + [0] * 320 + [7] * 160
    assert (data[:, CALLER] == 1).all()


def test_a_part_is_held_back_and_the_header_is_right_after_every_write(file: StereoFile, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "call.wav"
    for second in range(4):
        pieces = [(CALLER, second * 1000.0 + at, pcm(second + 1)) for at in range(0, 1000, 20)]
        file.write(pieces, second * 1000.0 - 500)
        if second == 0:
            assert not path.exists()
        else:
            assert len(read(path)) == (second * 1000 - 500) * 8
    finished = file.close(0)  # a crash would leave as much
    assert finished is not None
    assert read(path)[:, CALLER].tolist()[:8001] == [1] * 8000 + [2]


def test_audio_for_what_is_written_already_is_cut_and_erasing_it_is_too_late(file: StereoFile) -> None:
    file.write([(CALLER, 0, pcm(1, 100))], 60)
    file.write([(AGENT, 50, pcm(9, 20)), (AGENT, 0, pcm(8, 20)), (AGENT, 0, b"")], None)
    finished = file.close(0)
    assert finished is not None
    assert read(finished.path)[:, AGENT].tolist() == [0] * 800


def test_a_leap_of_the_clock_does_not_fill_the_disk(file: StereoFile) -> None:
    file.write([(CALLER, 0, pcm(1)), (AGENT, 3_600_000, pcm(2)), (CALLER, 20, pcm(3)), (CALLER, 30_000, pcm(4))], None)
    finished = file.close(0)
    assert finished is not None
    assert finished.duration_ms == 30_020


def test_peaks_are_the_loudest_samples_of_each_tenth(file: StereoFile) -> None:
    pieces = [(CALLER, at, pcm(value, 100)) for at, value in ((0.0, 16384), (100.0, -32768), (200.0, 0))]
    file.write(pieces, 150)
    file.write([(AGENT, 200, pcm(-8192, 20)), (CALLER, 300, pcm(1, 20))], None)
    finished = file.close(0)
    assert finished is not None
    assert finished.peaks.per_second == 10
    assert finished.peaks.caller[:3] == (0.5, 1.0, 0.0)
    assert finished.peaks.agent[:3] == (0.0, 0.0, 0.25)


def test_nothing_recorded_is_no_recording(thread: RecordingThread, tmp_path: Path) -> None:
    assert finish(Recorder(thread, tmp_path / "x.wav", RATE)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_call_through_the_thread(thread: RecordingThread, tmp_path: Path) -> None:
    recorder = Recorder(thread, tmp_path / "call.wav", RATE)
    for at in range(0, 5000, 20):
        recorder.caller(at, pcm(at // 20))
        if at == 4000:
            recorder.agent(4000, pcm(9, 900))
            recorder.erase_agent_after(4100)
    finished = finish(recorder)
    assert finished is not None
    assert (finished.duration_ms, finished.lost_pieces) == (5000, 0)
    data = read(finished.path)
    assert data[::160, CALLER].tolist() == list(range(250))
    assert data[:, AGENT].sum() == 9 * 800


def test_the_trace_grows_beside_the_recording(thread: RecordingThread, tmp_path: Path) -> None:
    """A crash loses what was noted in the last seconds, and nothing before it."""
    recorder = Recorder(thread, tmp_path / "call.wav", RATE)
    recorder.note(trace.Running(started_ms=0.0, tick_ms=7.0))
    for at in range(0, 2020, 20):
        if at != 1000:
            recorder.caller(float(at), pcm(1))
    assert recorder.heard_ms == 2020
    written = threading.Event()
    thread.submit(written.set, soon=True)
    assert written.wait(5)
    notes = tmp_path / "call.trace"
    kept = [trace.Running(started_ms=0.0, tick_ms=7.0), trace.Gap(from_ms=1000.0, until_ms=1020.0)]
    assert notes.read_bytes() == trace.encode([*kept]), "in the middle of the call"
    recorder.note(trace.Key(at_ms=2000.0, digit="1"))
    assert finish(recorder) is not None
    rest = [trace.Key(at_ms=2000.0, digit="1"), trace.Closed(heard_ms=2020.0)]
    assert notes.read_bytes() == trace.encode([*kept, *rest])


def test_a_path_that_cannot_be_written_is_reported_and_the_thread_goes_on(
    thread: RecordingThread, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    broken = Recorder(thread, tmp_path / "file" / "call.wav", RATE)
    broken.caller(0, pcm(1))
    broken.caller(5000, pcm(1))
    assert finish(broken) is None
    good = Recorder(thread, tmp_path / "good.wav", RATE)
    good.caller(0, pcm(1))
    assert finish(good) is not None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from([CALLER, AGENT]), st.integers(0, 3000), st.integers(0, 60), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_in_pieces_or_at_once_it_is_the_same_tape(tmp_path: Path, steps: list[tuple[int, int, int, bool]]) -> None:
    """As long as nothing older than what is held back comes."""
    pieces = [(channel, float(at), pcm(n + 1, length)) for n, (channel, at, length, _) in enumerate(steps) if length]
    whole, parts = StereoFile(tmp_path / "whole.wav", RATE), StereoFile(tmp_path / "parts.wav", RATE)
    whole.write(pieces, None)
    for at, piece in enumerate(pieces):
        parts.write([piece], min(at_ms for _, at_ms, _ in pieces[at:]))
    parts.write([], None)
    first, second = whole.close(0), parts.close(0)
    assert (first is None) == (second is None) == (not pieces)
    if first is not None and second is not None:
        assert np.array_equal(read(first.path), read(second.path))
        assert first.peaks == second.peaks


def test_the_header_is_canonical(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(header(RATE, 2) + bytes(8))
    assert len(header(RATE, 0)) == 44
    assert read(tmp_path / "x.wav").tolist() == [[0, 0], [0, 0]]
