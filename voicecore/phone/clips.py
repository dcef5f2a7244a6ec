"""What a caller can say: 8 kHz mu-law clips from WAV files, from a voice of `pipelines`, or shipped ones.

Every clip knows where its sound begins and ends, so that response times count from the last audible
sample and not from trailing silence. It knows nothing of calls.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import soxr

from pipelines import registry
from pipelines.audio import TELEPHONE, Codec, from_pcm16, to_pcm16
from pipelines.errors import AudioFormatError, EngineMissing, NotFound, Remedy
from pipelines.stages import Tts, Voice
from voicecore.phone.dialect import encode_payload
from voicecore.phone.levels import audible_bounds
from voicecore.phone.playback import FRAME_BYTES, SILENT_FRAME

RATE_HZ = 8000
ENGINES = ("flite", "espeak")  # in the order of how well they are understood


class Clip(msgspec.Struct, frozen=True):
    """One utterance in whole frames, from the first audible one to the last. Bounds: sample numbers in it."""

    text: str
    frames: tuple[bytes, ...]
    payloads: tuple[str, ...]  # the same frames in base64
    first_audible: int
    last_audible: int

    @property
    def duration_ms(self) -> int:
        return len(self.frames) * 20


def make_clip(ulaw: bytes, text: str = "") -> Clip:
    """Cut mu-law audio into frames without the silence around it. Raises AudioFormatError: all silence."""
    bounds = audible_bounds(to_pcm16(ulaw, Codec.ULAW))
    if bounds is None:
        raise AudioFormatError(f"nothing is audible in this clip ({len(ulaw) / RATE_HZ:.2f} s): {text!r}")
    skipped = bounds[0] // FRAME_BYTES * FRAME_BYTES
    ulaw = ulaw[skipped : bounds[1] + 1]
    ulaw += SILENT_FRAME[: -len(ulaw) % FRAME_BYTES]
    frames = tuple(ulaw[at : at + FRAME_BYTES] for at in range(0, len(ulaw), FRAME_BYTES))
    return Clip(text, frames, tuple(map(encode_payload, frames)), bounds[0] - skipped, bounds[1] - skipped)


def read_wav(path: Path) -> Clip:
    """A WAV file of any rate, channels (mixed down) and integer width. Raises NotFound, AudioFormatError."""
    try:
        with wave.open(str(path), "rb") as source:
            rate_hz, channels, width = source.getframerate(), source.getnchannels(), source.getsampwidth()
            data = source.readframes(source.getnframes())
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise NotFound(f"cannot read {path}: {error.strerror}") from error
    except (wave.Error, EOFError) as error:
        raise AudioFormatError(f"{path} is not a PCM WAV file: {str(error) or 'cut short'}") from error
    mono = _samples(data, width).reshape(-1, channels).mean(axis=1)
    if rate_hz != RATE_HZ:
        mono = soxr.resample(mono, rate_hz, RATE_HZ, quality="HQ")
    pcm = np.clip(np.rint(mono * 32768), -32768, 32767).astype("<i2").tobytes()
    try:
        return make_clip(from_pcm16(pcm, Codec.ULAW), path.name)
    except AudioFormatError as error:
        raise AudioFormatError(f"{path}: {error.message}") from error


def _samples(data: bytes, width: int) -> npt.NDArray[np.float64]:
    """Interleaved samples, -1 to 1. WAV stores 8 bits unsigned and everything wider signed little-endian."""
    if width == 1:
        return (np.frombuffer(data, dtype=np.uint8).astype(np.float64) - 128) / 128
    if width == 3:
        padded = np.zeros((len(data) // 3, 4), dtype=np.uint8)
        padded[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
        return padded.view("<i4").reshape(-1) / 2147483648.0
    integers = np.frombuffer(data, dtype=f"<i{width}")
    return integers / float(1 << (8 * width - 1))


class ShippedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file: str
    text: str


def shipped(variant: int = 0) -> list[Clip]:
    """The sentences of the demo call, recorded with a clear voice.

    The one that names a time has variants, so that a second demo call does not ask for a slot that the first
    one took; `variant` counts on and on.
    """
    folder = files("voicecore.phone") / "clips"
    index = msgspec.yaml.decode((folder / "clips.yaml").read_bytes(), type=list[list[ShippedLine]])
    lines = [variants[variant % len(variants)] for variants in index]
    return [make_clip((folder / line.file).read_bytes(), line.text) for line in lines]


async def speak(texts: Sequence[str], *, engine: str = "", voice: str = "") -> list[Clip]:
    """Speak texts with a voice of `pipelines`: the named engine, else the clearest that can run.

    Raises EngineMissing when none can, ConfigError for an unknown engine, StageError when it fails.
    """
    tts = await _open(engine)
    try:
        return [make_clip(await _synthesize(tts, text, voice), text) for text in texts]
    finally:
        await tts.close()


async def _open(engine: str) -> Tts:
    refusals = []
    for name in (engine,) if engine else ENGINES:
        try:
            tts = await registry.make("tts", name, {}, source="--engine")
        except EngineMissing as error:
            refusals.append(error.message)
        else:
            assert isinstance(tts, Tts)
            return tts
    raise EngineMissing("; ".join(refusals), stage="tts", provider=engine or "/".join(ENGINES), remedy=Remedy.SWITCH)


async def _synthesize(tts: Tts, text: str, voice: str) -> bytes:
    audio = bytearray()
    async for chunk in tts.synthesize(text, Voice(voice_id=voice), TELEPHONE):
        audio += chunk.audio
    return bytes(audio)
