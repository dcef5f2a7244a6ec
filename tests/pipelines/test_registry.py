"""Providers are found by name, and wrong names and options are refused with file and key."""

from __future__ import annotations

import importlib
import pkgutil

import msgspec
import pytest

import pipelines.providers
from pipelines.errors import ConfigError, EngineMissing
from pipelines.registry import ProviderSpec, load, make, provider_names
from pipelines.stages import Llm, Stt, Tts

OURS = [m.name for m in pkgutil.iter_modules(pipelines.providers.__path__) if not m.name.startswith("_")]


@pytest.mark.parametrize("module", OURS)
def test_every_provider_module_ends_in_its_announcement(module: str) -> None:
    provider = importlib.import_module(f"pipelines.providers.{module}")
    spec = provider.PROVIDER
    assert isinstance(spec, ProviderSpec)
    assert list(vars(provider))[-1] == "PROVIDER"
    assert spec.name == module.replace("_", "-")
    assert spec.stages()
    assert load(spec.name, source="here") is spec
    assert spec.name in provider_names()
    assert msgspec.structs.fields(spec.options) is not None


def test_private_modules_are_no_providers() -> None:
    assert not [name for name in provider_names() if name.startswith(("-", "_"))]


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r'server.yaml.*no provider "espeek".*espeak') as raised:
        load("espeek", source="server.yaml")
    assert "provider" in str(raised.value)


@pytest.mark.parametrize(("stage", "kind"), [("stt", Stt), ("llm", Llm), ("tts", Tts)])
async def test_an_engine_is_made_for_its_stage(stage: str, kind: type) -> None:
    engine = await make(stage, "simulated", {stage: {"seed": "7"}}, source="server.yaml")
    assert isinstance(engine, kind)
    await engine.close()


async def test_a_stage_that_the_provider_lacks() -> None:
    with pytest.raises(ConfigError, match=r'server.yaml.*"simulated" has no vad stage'):
        await make("vad", "simulated", {}, source="server.yaml")


@pytest.mark.parametrize("options", [{"llm": {"texts": []}}, {"lml": {}}, {"llm": {"tokens_per_s": -1}}])
async def test_wrong_options_are_refused_with_reason(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"server.yaml.*llm.options"):
        await make("llm", "simulated", options, source="server.yaml")


async def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    async def factory(_: object) -> object:
        return importlib.import_module("a_package_that_is_not_there")

    spec = ProviderSpec(name="simulated", options=load("simulated", source="").options, tts=factory)
    monkeypatch.setattr(importlib.import_module("pipelines.providers.simulated"), "PROVIDER", spec)
    with pytest.raises(EngineMissing, match=r"a_package_that_is_not_there.*pip install 'voicecore\[simulated\]'"):
        await make("tts", "simulated", {}, source="server.yaml")
