"""A provider from outside is one file and one entry point: nothing of ours names it, and a caller hears it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from media_server import Serve, pipeline

from config.schema import PipelineSettings, StageSettings
from pipelines import registry
from pipelines.errors import ConfigError

PROVIDER = """
from collections.abc import AsyncGenerator

import msgspec

from pipelines.audio import AudioFormat, silence
from pipelines.registry import ProviderSpec
from pipelines.stages import LlmEvent, LlmRequest, TextDelta, TtsChunk, Voice


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    answer: str


class Parrot:
    def __init__(self, options: Options) -> None:
        self._options = options

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        yield TextDelta(f"{self._options.answer} {request.messages[-1].content}.")

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        yield TtsChunk(bytes([0x10]) * len(silence(audio_format, 20 * len(text))))

    async def close(self) -> None:
        pass


async def make(options: Options) -> Parrot:
    return Parrot(options)


PROVIDER = ProviderSpec(name="parrot-cloud", options=Options, llm=make, tts=make)
"""
METADATA = "Metadata-Version: 2.1\nName: parrot-voice\nVersion: 1.0\n"
ENTRY_POINTS = "[voicecore.providers]\nparrot-cloud = parrot_voice:PROVIDER\n"


@pytest.fixture
def parrot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody else's package, installed as pip would leave it."""
    site = tmp_path / "site"
    about = site / "parrot_voice-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "parrot_voice.py").write_text(PROVIDER)
    (about / "METADATA").write_text(METADATA)
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("parrot_voice", None)


def with_parrot(**options: object) -> PipelineSettings:
    stage = StageSettings(provider="parrot-cloud", options=options)
    quick: PipelineSettings = pipeline()
    return PipelineSettings(vad=quick.vad, stt=quick.stt, llm=stage, tts=stage)


@pytest.mark.usefixtures("parrot")
async def test_a_call_is_taken_with_it(serve: Serve) -> None:
    assert "parrot-cloud" in registry.provider_names()
    assert "parrot_voice" not in sys.modules, "it is imported when it is asked for"
    house = await serve(pipeline="theirs", pipelines={"theirs": with_parrot(answer="You said")})
    result = await house.call()
    detail = await house.ended(result.identity.call_sid)
    assert [turn.answered for turn in result.turns] == [True]
    assert [turn.heard_text for turn in detail.turns] == ["Welcome to Demo.", "You said when do you open."]


@pytest.mark.usefixtures("parrot")
def test_its_options_are_checked_like_ours() -> None:
    settings = StageSettings(provider="parrot-cloud", options={"anwser": "typing error"})
    with pytest.raises(ConfigError, match="anwser"):
        registry.check("llm", settings, source="test", key="llm")
    with pytest.raises(ConfigError, match="has no stt stage"):
        registry.check("stt", settings, source="test", key="stt")


def test_without_it_the_error_lists_who_is_there() -> None:
    with pytest.raises(ConfigError, match=r"there are: .*pocketsphinx"):
        registry.load("parrot-cloud", source="test")
