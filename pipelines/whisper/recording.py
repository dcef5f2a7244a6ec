"""Whole recordings through the shared engine: files of any kind are decoded, cut in their pauses and heard together."""

from __future__ import annotations

import importlib
import io
import wave
from collections.abc import AsyncGenerator

import msgspec
import numpy as np

from pipelines.audio import Samples
from pipelines.errors import AudioFormatError
from pipelines.whisper import guards, listening
from pipelines.whisper.batcher import Batcher
from pipelines.whisper.decoder import LONGEST_S, RATE_HZ, Heard, Utterance

LOWEST_RATE_HZ = 8000


class Segment(msgspec.Struct, frozen=True):
    """A stretch of a recording. `believed`: its text was said by somebody."""

    start_s: float
    end_s: float
    heard: Heard
    believed: bool

    @property
    def text(self) -> str:
        return self.heard.text if self.believed else ""


def read(data: bytes, longest_s: float) -> tuple[Samples, int]:
    """Mono samples and their rate in Hz. Takes a while: not for an event loop. Raises AudioFormatError."""
    samples, rate_hz = _plain_wav(data) or _any_container(data)
    if len(samples) > longest_s * rate_hz:
        raise AudioFormatError(f"the audio lasts {len(samples) / rate_hz:.0f} s; {longest_s:.0f} s is the most")
    return samples, rate_hz


def _plain_wav(data: bytes) -> tuple[Samples, int] | None:
    """None: it is something else, or wants mixing."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2 or file.getframerate() < LOWEST_RATE_HZ:
                return None
            return np.frombuffer(file.readframes(file.getnframes()), np.int16), file.getframerate()
    except (wave.Error, EOFError):
        return None


def _any_container(data: bytes) -> tuple[Samples, int]:
    """What FFmpeg can read, by way of PyAV, which faster-whisper brings."""
    decode = importlib.import_module("faster_whisper.audio").decode_audio
    errors = importlib.import_module("av.error").FFmpegError
    try:
        samples = decode(io.BytesIO(data), sampling_rate=RATE_HZ)
    except (errors, IndexError, ValueError) as error:  # IndexError: a container without an audio stream
        raise AudioFormatError("the file is not audio that can be decoded") from error
    return np.clip(samples * 32768, -32768, 32767).astype(np.int16), RATE_HZ


async def transcribe(
    batcher: Batcher[Utterance, Heard], about: Utterance, samples: Samples
) -> AsyncGenerator[Segment, None]:
    """In their order, as soon as they are there. Raises StageError. Closing it drops what has not begun."""
    rate_hz = about.rate_hz
    pieces = [
        (begin, end)
        for begin, end in listening.windows(samples, rate_hz, LONGEST_S)
        if not listening.is_silent(samples[begin:end], rate_hz)
    ]
    requests = []
    try:
        for begin, end in pieces:
            utterance = msgspec.structs.replace(about, pcm=samples[begin:end].tobytes())
            requests.append(batcher.submit(utterance, urgent=len(pieces) == 1))
        for (begin, end), request in zip(pieces, requests, strict=True):
            batcher.hurry(request)  # the first is waited for, the others may still be overtaken
            heard = await request.answer
            believed = guards.doubt(heard.text, heard.avg_logprob, heard.no_speech) is None
            yield Segment(begin / rate_hz, end / rate_hz, heard, believed)
    finally:
        for request in requests:
            batcher.drop(request)
