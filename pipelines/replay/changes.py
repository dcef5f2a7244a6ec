"""Settings of an agent, some of them changed by name: `turn.base_wait_ms=300`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import yaml

from config.loader import convert
from config.schema import AgentSettings
from pipelines.errors import ConfigError

SOURCE = "--set"
REPLAYED = ("turn", "limits", "language", "greeting", "stages.vad")  # what a replay depends on


class Change(msgspec.Struct, frozen=True):
    """A setting (its path), and its value before and after."""

    name: str
    recorded: Any
    replayed: Any

    @property
    def has_effect(self) -> bool:
        """Engines answer as recorded: settings that are theirs change nothing in a replay."""
        return any(self.name == known or self.name.startswith(f"{known}.") for known in REPLAYED)


def apply(agent: AgentSettings, assignments: Sequence[str]) -> tuple[AgentSettings, list[Change]]:
    """`assignments`: NAME=VALUE, values as in YAML. Raises ConfigError with the setting's name and the reason."""
    changes = []
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ConfigError("NAME=VALUE is expected", source=SOURCE, key=assignment)
        changed = _assigned(agent, name, text)
        changes.append(Change(name, _value(agent, name), _value(changed, name)))
        agent = changed
    return agent, changes


def _assigned(agent: AgentSettings, name: str, text: str) -> AgentSettings:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    try:
        return _with(agent, name, value)
    except ConfigError as error:
        if not isinstance(value, str):  # a text that looks like something else
            try:
                return _with(agent, name, text)
            except ConfigError:
                pass  # the first reason is the better one
        raise error


def _with(agent: AgentSettings, name: str, value: Any) -> AgentSettings:
    data = msgspec.to_builtins(agent)
    keys = name.split(".")
    block = data
    for key in keys[:-1]:
        block = block.setdefault(key, {})
        if not isinstance(block, dict):
            raise ConfigError(f'"{key}" has no settings of its own', source=SOURCE, key=name)
    block[keys[-1]] = value
    try:
        return convert(data, AgentSettings, source=SOURCE)
    except ConfigError as error:
        close = difflib.get_close_matches(name, list(_names(msgspec.to_builtins(AgentSettings()))), n=1)
        hint = f"; did you mean {close[0]}?" if close and error.reason == "no such setting" else ""
        raise ConfigError(f"{error.reason}{hint}", source=SOURCE, key=error.key) from None


def _names(block: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in block.items():
        if isinstance(value, dict) and value:
            yield from _names(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _value(agent: AgentSettings, name: str) -> Any:
    value: Any = msgspec.to_builtins(agent)
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
