"""Builds the server's settings: defaults < YAML file < environment < command line, each strictly checked.

Every refusal is a ConfigError that names the file, variable or option, the key and the reason, and never a
value. It reads files and passes nothing on; what a setting does is nobody's business here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from config.environment import read_environment
from config.errors import ConfigError
from config.schema import PipelineSettings, Price, ServerSettings, Setting

T = TypeVar("T")

SHIPPED_PIPELINES = files("config") / "pipelines"


def load(
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> ServerSettings:
    """The server's settings. `overrides`: top-level ones from the command line; None counts as not given."""
    merged: dict[str, Any] = {}
    if file is not None:
        merged = read_yaml(file)
        _check_named(merged, str(file))
        convert(merged, ServerSettings, source=str(file))
    merge(merged, read_environment(environ or {}))
    for name, value in (overrides or {}).items():
        if value is not None:
            convert({name: value}, ServerSettings, source=f"--{name.replace('_', '-')}")
            merged[name] = value
    return convert(merged, ServerSettings, source=str(file) if file is not None else "settings")


def pipeline_names(settings: ServerSettings | None = None) -> list[str]:
    """Every pipeline that can be named: the shipped ones and those of the settings."""
    shipped = {entry.name.removesuffix(".yaml") for entry in _shipped() if entry.name.endswith(".yaml")}
    return sorted(shipped | set(settings.pipelines if settings is not None else ()))


def pipeline(name: str, settings: ServerSettings | None = None) -> PipelineSettings:
    """The pipeline called `name`; one in the settings goes before a shipped one of the same name."""
    if settings is not None and name in settings.pipelines:
        return settings.pipelines[name]
    known = pipeline_names(settings)
    if name not in known:
        raise ConfigError(f'no pipeline "{name}"; there are: {", ".join(known)}', source="settings", key="pipeline")
    return load_struct(SHIPPED_PIPELINES / f"{name}.yaml", PipelineSettings)


def _shipped() -> list[Traversable]:
    return list(SHIPPED_PIPELINES.iterdir()) if SHIPPED_PIPELINES.is_dir() else []


def load_struct(file: Traversable, kind: type[T]) -> T:
    """One YAML file as a settings block: an agent, a pipeline."""
    return convert(read_yaml(file), kind, source=str(file))


def _check_named(data: Mapping[str, Any], source: str) -> None:
    """One by one: msgspec's errors do not name the key of a mapping."""
    kinds: dict[str, type[Setting]] = {"pipelines": PipelineSettings, "prices": Price}
    for key, kind in kinds.items():
        named = data.get(key)
        for name, value in named.items() if isinstance(named, dict) else ():
            convert(value, kind, source=source, at=f"{key}.{name}")


def convert(data: Any, kind: type[T], *, source: str, at: str = "") -> T:
    """`data` as `kind`, strictly; the error's key is the path of what is wrong in it, below `at`."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `")
        path = place.rstrip("`").removeprefix("$").removeprefix(".")
        if reason.startswith("Object contains unknown field `"):
            unknown = reason.split("`")[1]
            path = f"{path}.{unknown}" if path else unknown
            reason = "no such setting"
        key = ".".join(part for part in (at, path) if part)
        raise ConfigError(reason[:1].lower() + reason[1:], source=source, key=key) from None


def merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """`other` goes over `into`: mappings key by key, anything else replaced."""
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


class _StrictLoader(yaml.SafeLoader):
    """PyYAML lets the last of two equal keys win in silence; YAML 1.2 §3.2.1.3 demands unique ones."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f'"{key}" stands twice', key_node.start_mark)
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(file: Traversable) -> dict[str, Any]:
    """A YAML file with a mapping at its top; an empty one is an empty mapping."""
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", source=str(file)) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", source=str(file)) from None
    except yaml.YAMLError as error:
        raise ConfigError(_yaml_reason(error), source=str(file)) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"a mapping is expected, not a {type(data).__name__}", source=str(file))
    return data


def _yaml_reason(error: yaml.YAMLError) -> str:
    """Without PyYAML's excerpt of the file, which may show a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return "is not YAML"
