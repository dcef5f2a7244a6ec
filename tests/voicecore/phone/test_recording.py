"""Both tracks share one clock and survive the file."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import AudioFormatError, NotFound
from voicecore.phone.recording import Recording, read_stereo


def test_left_is_the_caller_and_right_is_what_was_heard(tmp_path: Path) -> None:
    recording = Recording()
    recording.add(b"\x80" * 160, b"\xff" * 160)
    recording.add(b"\xff" * 160, b"\x00" * 160)
    assert recording.duration_ms == 40
    recording.write_wav(tmp_path / "call.wav")
    left, right = read_stereo(tmp_path / "call.wav")
    assert left.tolist() == [32124] * 160 + [0] * 160
    assert right.tolist() == [0] * 160 + [-32124] * 160
    assert np.frombuffer(recording.heard_pcm(), "<i2").tolist() == right.tolist()


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no-such-folder"):
        Recording().write_wav(tmp_path / "no-such-folder" / "call.wav")


def test_only_stereo_files_of_calls_are_read(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_stereo(tmp_path / "missing.wav")
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(AudioFormatError):
        read_stereo(tmp_path / "text.wav")
