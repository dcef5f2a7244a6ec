"""Flite, where the system has it (Debian: libflite1): English only, clearer than espeak-ng on a telephone."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from pipelines.providers._voice_process import VoiceProcess
from pipelines.registry import ProviderSpec
from pipelines.workers import WorkerSpec


class FliteOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    nice: Annotated[int, Meta(ge=0, le=19)] = 0  # of its process: media must not wait for speech


class FliteVoice(msgspec.Struct, frozen=True):
    """What `Voice.settings` may hold; other keys belong to other providers. Voices: slt rms awb kal16 kal."""

    volume: Annotated[int, Meta(ge=0, le=200)] = 100  # percent


async def _tts(options: FliteOptions) -> VoiceProcess:
    engine = VoiceProcess(WorkerSpec("pipelines.providers._flite_child", "tts", "flite", nice=options.nice), FliteVoice)
    await engine.start()
    return engine


PROVIDER = ProviderSpec(name="flite", options=FliteOptions, tts=_tts)
