"""Whole audio files: wav, mp3, ogg and flac in, wav and mp3 out, through libsndfile. Everything here blocks: call it
from a thread. Streams are `audio.py`'s business.
"""

from __future__ import annotations

import io
from typing import Literal, get_args

import msgspec
import numpy as np
import soxr

from pipelines.errors import ValidationError

FileFormat = Literal["wav", "mp3"]
FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
LONGEST_S = 600
_READABLE = frozenset({"WAV", "WAVEX", "RF64", "MP3", "OGG", "FLAC"})  # libsndfile's names
_RATES_HZ = range(4000, 192_001)
_MOST_CHANNELS = 8


class Sound(msgspec.Struct, frozen=True):
    """Mono, signed 16-bit."""

    pcm: bytes
    rate_hz: int

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.rate_hz


def decode(data: bytes, rate_hz: int) -> Sound:
    """The file as mono at `rate_hz`, all channels mixed. Raises ValidationError for what is no audio file of a kind
    named above, or longer than LONGEST_S."""
    import soundfile  # loads libsndfile: not before a file comes

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.format not in _READABLE or file.samplerate not in _RATES_HZ or file.channels > _MOST_CHANNELS:
                raise _refused("not a wav, mp3, ogg or flac file")
            # What a header says of its length is not to be trusted: one sample more than allowed tells.
            most = LONGEST_S * file.samplerate
            samples = file.read(most + 1, dtype="float32", always_2d=True)
            own_hz = file.samplerate
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _refused("not a wav, mp3, ogg or flac file") from error
    if len(samples) == 0:
        raise _refused("without a single sample")
    if len(samples) > most:
        raise _refused(f"longer than {LONGEST_S} s")
    mono = np.nan_to_num(samples.mean(axis=1))
    if own_hz != rate_hz:
        mono = soxr.resample(mono, own_hz, rate_hz)
    pcm = np.clip(np.rint(mono * 32767.0), -32768, 32767).astype(np.int16).tobytes()
    return Sound(pcm, rate_hz)


def encode(sound: Sound, file_format: FileFormat) -> bytes:
    import soundfile

    out = io.BytesIO()
    samples = np.frombuffer(sound.pcm, dtype=np.int16)
    soundfile.write(out, samples, sound.rate_hz, format=file_format.upper())
    return out.getvalue()


def _refused(reason: str) -> ValidationError:
    return ValidationError("Invalid input data", (("file", reason),))
