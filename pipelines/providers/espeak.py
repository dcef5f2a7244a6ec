"""espeak-ng: small, robotic, instant, in more than a hundred languages, and from the package registry.

It is GPL-3 and therefore runs in a process of its own, which is talked to in messages and never linked.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import msgspec
from msgspec import Meta

from pipelines.errors import EngineMissing
from pipelines.providers._voice_process import VoiceProcess
from pipelines.registry import ProviderSpec
from pipelines.workers import WorkerSpec


class EspeakOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    nice: Annotated[int, Meta(ge=0, le=19)] = 0  # of its process: media must not wait for speech


class EspeakVoice(msgspec.Struct, frozen=True):
    """What `Voice.settings` may hold. Other keys belong to other providers and are ignored.

    `voice_id` is a language tag or a name of espeak-ng's, with a variant if one is wanted: "en-gb+f3".
    """

    pitch: Annotated[int, Meta(ge=0, le=99)] = 50
    range: Annotated[int, Meta(ge=0, le=99)] = 50  # of the melody; 0 is monotone
    volume: Annotated[int, Meta(ge=0, le=200)] = 100  # percent


async def _tts(options: EspeakOptions) -> VoiceProcess:
    if find_spec("espeakng_loader") is None:
        raise EngineMissing("pip install 'voicecore[embedded]'", stage="tts", provider="espeak")
    engine = VoiceProcess(
        WorkerSpec("pipelines.providers._espeak_child", "tts", "espeak", nice=options.nice), EspeakVoice
    )
    await engine.start()
    return engine


PROVIDER = ProviderSpec(name="espeak", options=EspeakOptions, tts=_tts)
