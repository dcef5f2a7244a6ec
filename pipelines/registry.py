"""Finds an engine by name: "stt/pocketsphinx" → the factory in `pipelines/providers/pocketsphinx.py`.

A provider is one module that ends in `PROVIDER = ProviderSpec(...)`. Outsiders register the same
object under the entry point group "voicecore.providers". Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points
from typing import Any

import msgspec

import pipelines.providers
from config.schema import StageSettings
from pipelines import secrets
from pipelines.errors import ConfigError, EngineMissing
from pipelines.stages import Llm, Stt, Tts, TurnDetector, Vad

ENTRY_POINT_GROUP = "voicecore.providers"

STAGES = ("vad", "stt", "llm", "tts", "turn")

Factory = Callable[[Any], Awaitable[Any]]


class ProviderSpec(msgspec.Struct, frozen=True):
    """What a provider module announces. Factories take an instance of `options` and run once, at boot."""

    name: str
    options: type[msgspec.Struct]
    vad: Factory | None = None
    stt: Factory | None = None
    llm: Factory | None = None
    tts: Factory | None = None
    turn: Factory | None = None

    def stages(self) -> tuple[str, ...]:
        return tuple(stage for stage in STAGES if getattr(self, stage) is not None)


def provider_names() -> list[str]:
    """All names that `load` would find, without importing any of them."""
    ours = [m.name.replace("_", "-") for m in pkgutil.iter_modules(pipelines.providers.__path__)]
    theirs = [point.name for point in entry_points(group=ENTRY_POINT_GROUP)]
    return sorted({name for name in ours + theirs if not name.startswith("-")})


def load(name: str, *, source: str, key: str = "provider") -> ProviderSpec:
    """The provider called `name`. `source` says where the name was written, for the error."""
    module = f"pipelines.providers.{name.replace('-', '_')}"
    ours = {m.name for m in pkgutil.iter_modules(pipelines.providers.__path__) if not m.name.startswith("_")}
    if name.replace("-", "_") in ours:
        spec = importlib.import_module(module).PROVIDER
    else:
        points = [p for p in entry_points(group=ENTRY_POINT_GROUP) if p.name == name]
        if not points:
            raise ConfigError(
                f'no provider "{name}"; there are: {", ".join(provider_names())}',
                source=source,
                key=key,
            )
        spec = points[0].load()
    if not isinstance(spec, ProviderSpec):
        raise ConfigError(f'provider "{name}" does not announce a ProviderSpec', source=source, key=key)
    return spec


def check(stage: str, settings: StageSettings, *, source: str, key: str) -> None:
    """Could these settings be built? Imports the provider, makes nothing. Raises ConfigError."""
    if stage not in STAGES:
        raise ConfigError(f"no such stage; there are: {', '.join(STAGES)}", source=source, key=key)
    for place, one in ((key, settings), *((f"{key}.fallback", f) for f in settings.fallback)):
        _resolve(stage, one.provider, one.options, source=source, key=place)


def _resolve(
    stage: str, name: str, options: dict[str, Any], *, source: str, key: str
) -> tuple[Factory, msgspec.Struct]:
    spec = load(name, source=source, key=f"{key}.provider")
    factory: Factory | None = getattr(spec, stage)
    if factory is None:
        raise ConfigError(f'provider "{name}" has no {stage} stage', source=source, key=f"{key}.provider")
    try:
        return factory, msgspec.convert(options, spec.options, strict=False, dec_hook=secrets.decode)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), source=source, key=f"{key}.options") from error


def secret_names(stage: str, settings: StageSettings, *, source: str) -> dict[str, secrets.Secret]:
    """Option → where its key is looked for, of one engine without its fallbacks. Raises ConfigError."""
    _, options = _resolve(stage, settings.provider, settings.options, source=source, key=stage)
    return secrets.references(options)


async def make(
    stage: str,
    name: str,
    options: dict[str, Any],
    *,
    source: str,
    store: secrets.Store | None = None,
    owner: str = "",
) -> Vad | Stt | Llm | Tts | TurnDetector:
    """Build a stage's engine, with the keys of `owner`. Raises ConfigError for bad names or options, EngineMissing when
    it cannot run, for want of a key, a package or a model."""
    factory, parsed = _resolve(stage, name, options, source=source, key=stage)
    try:
        parsed = await secrets.resolve(parsed, store or secrets.NoStore(), owner)
    except ConfigError as error:
        raise EngineMissing(f"{error.key}: {error.reason}", stage=stage, provider=name) from None
    try:
        engine: Vad | Stt | Llm | Tts | TurnDetector = await factory(parsed)
    except ImportError as error:
        raise EngineMissing(
            f"package missing ({error.name}): pip install 'voicecore[{name}]'", stage=stage, provider=name
        ) from error
    return engine
