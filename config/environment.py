"""Settings from environment variables: VOICECORE_PORT, VOICECORE_MEDIA__AHEAD_MS, and for secrets
VOICECORE_TWILIO__AUTH_TOKEN_FILE, which names a file that holds the value.

Two underscores go one level down. A variable of ours that names no setting is refused: it is a typing error.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import yaml

from config.errors import ConfigError
from config.schema import ServerSettings

PREFIX = "VOICECORE_"
FILE_SUFFIX = "_FILE"
NOT_SETTINGS = frozenset({"VOICECORE_CONFIG", "VOICECORE_TOKEN"})  # read by the command line


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that stand in `environ`, nested. Raises ConfigError with the variable's name."""
    settings: dict[str, Any] = {}
    seen: dict[tuple[str, ...], str] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        path, kind, from_file = _resolve(variable)
        if path in seen:
            raise ConfigError(f"the same setting as {seen[path]}; give one of them", source=variable)
        seen[path] = variable
        text = _read_file(variable, environ[variable]) if from_file else environ[variable]
        _place(settings, path, _parse(variable, text, kind))
    return settings


def _resolve(variable: str) -> tuple[tuple[str, ...], Any, bool]:
    """The path of keys a variable names, the type of the setting, and whether a file holds its value."""
    name = variable.removeprefix(PREFIX)
    for candidate, from_file in ((name, False), (name.removesuffix(FILE_SUFFIX), True)):
        path = tuple(candidate.lower().split("__"))
        kind = _kind_at(path)
        if kind is not None and not (from_file and candidate == name):
            return path, kind, from_file
    close = difflib.get_close_matches(variable, _variables(ServerSettings, PREFIX), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ConfigError(f"no such setting{hint}", source=variable)


def _kind_at(path: tuple[str, ...]) -> Any:
    kind: Any = ServerSettings
    for key in path:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kind = next((field.type for field in msgspec.structs.fields(kind) if field.name == key), None)
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif kind is not Any:
            return None
        if kind is None:
            return None
    return kind


def _variables(kind: type[msgspec.Struct], prefix: str) -> list[str]:
    names = []
    for field in msgspec.structs.fields(kind):
        name = prefix + field.name.upper()
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            names += _variables(field.type, name + "__")
        else:
            names.append(name)
    return names


def _read_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"cannot read the file it names: {error.strerror}", source=variable) from None
    except (UnicodeDecodeError, ValueError):
        raise ConfigError("the file it names is not UTF-8 text", source=variable) from None


def _parse(variable: str, text: str, kind: Any) -> Any:
    """A string stays one; everything else is read as YAML: numbers, true, false, {a: b}."""
    value: Any = text
    if kind is not str:
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError("cannot be read as a value", source=variable) from None
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        reason = str(error)
        raise ConfigError(reason[:1].lower() + reason[1:], source=variable) from None
    return value


def _place(settings: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        settings = settings.setdefault(key, {})
    settings[path[-1]] = value
