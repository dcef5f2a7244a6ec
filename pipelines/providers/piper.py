"""Piper: neural voices for some forty languages that run on a CPU, one ONNX file and its configuration each.

piper-tts is GPL-3 and therefore runs in a process of its own, which is talked to in messages and never imported.
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


class PiperOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    models: Annotated[tuple[str, ...], Meta(min_length=1)]  # paths of .onnx files, each with its .onnx.json beside it
    cpu_threads: Annotated[int, Meta(ge=1, le=64)] = 2  # of one sentence
    max_waiting: Annotated[int, Meta(ge=1, le=1000)] = 16  # requests of which nothing is heard yet; the next is refused
    nice: Annotated[int, Meta(ge=0, le=19)] = 5  # of its process: media must not wait for speech


class PiperVoice(msgspec.Struct, frozen=True):
    """What `Voice.settings` may hold; other keys belong to other providers. `voice_id` is a file's name without .onnx,
    with a speaker (name or number) where it has several: "en_US-libritts-high/p3922"."""

    volume: Annotated[int, Meta(ge=0, le=200)] = 100  # percent


async def _tts(options: PiperOptions) -> VoiceProcess:
    """Raises EngineMissing, with what to do, when package or models are not here."""
    arguments = (str(options.cpu_threads), *options.models)
    spec = WorkerSpec(
        "pipelines.providers._piper_child",
        "tts",
        "piper",
        arguments,
        options.nice,
        start_timeout_s=_START_TIMEOUT_S,
    )
    engine = VoiceProcess(spec, PiperVoice, max_waiting=options.max_waiting, piece_timeout_s=_PIECE_TIMEOUT_S)
    await engine.start()
    return engine


PROVIDER = ProviderSpec(name="piper", options=PiperOptions, tts=_tts)
