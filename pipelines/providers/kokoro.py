"""Kokoro: one network of 82 million weights that speaks with many voices; English and five other languages.

Its phonemes come from espeak-ng, which is GPL-3: all of it runs in a process of its own, that is talked to in messages.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from pipelines.providers._voice_process import VoiceProcess
from pipelines.registry import ProviderSpec
from pipelines.workers import WorkerSpec

_START_TIMEOUT_S = 60.0  # networks are large, and disks slow
_PIECE_TIMEOUT_S = 15.0  # a network makes a sentence at once


class KokoroOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: str  # path of the ONNX file
    voices: str  # path of the file with the voices
    cpu_threads: Annotated[int, Meta(ge=1, le=64)] = 2  # of one sentence
    max_waiting: Annotated[int, Meta(ge=1, le=1000)] = 16  # requests of which nothing is heard yet; the next is refused
    nice: Annotated[int, Meta(ge=0, le=19)] = 5  # of its process: media must not wait for speech


class KokoroVoice(msgspec.Struct, frozen=True):
    """What `Voice.settings` may hold; other keys belong to other providers. `voice_id` is a name in the voices' file:
    "af_heart"; its first letter is its language."""

    volume: Annotated[int, Meta(ge=0, le=200)] = 100  # percent


async def _tts(options: KokoroOptions) -> VoiceProcess:
    """Raises EngineMissing, with what to do, when package or models are not here."""
    arguments = (str(options.cpu_threads), options.model, options.voices)
    spec = WorkerSpec(
        "pipelines.providers._kokoro_child",
        "tts",
        "kokoro",
        arguments,
        options.nice,
        start_timeout_s=_START_TIMEOUT_S,
    )
    engine = VoiceProcess(spec, KokoroVoice, max_waiting=options.max_waiting, piece_timeout_s=_PIECE_TIMEOUT_S)
    await engine.start()
    return engine


PROVIDER = ProviderSpec(name="kokoro", options=KokoroOptions, tts=_tts)
