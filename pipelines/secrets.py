"""Keys of providers: settings hold where a key is, never the key; the key is looked up when an engine is made.

`env:NAME`, `file:PATH` and `store:NAME` are the places. A key shows in no repr, log, error or encoding.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import msgspec

from pipelines.errors import ConfigError

PLACES = ("env", "file", "store")


class Store(Protocol):
    """Where `store:NAME` is kept."""

    async def read(self, owner: str, name: str) -> str | None:
        """The owner's secret of that name, else everybody's; None when there is neither."""
        ...


class NoStore:
    async def read(self, owner: str, name: str) -> str | None:
        return None


class Secret:
    """A reference, and after `resolved` its value. "" refers to nothing: a server that wants no key."""

    __slots__ = ("_value", "reference")

    def __init__(self, reference: str = "", value: str = "") -> None:
        place, separator, name = reference.partition(":")
        if reference and (place not in PLACES or not separator or not name):
            where = ", ".join(f"{one}:…" for one in PLACES)
            raise ValueError(f"say where the key is: {where}; a key itself is refused")
        self.reference = reference
        self._value = value

    @property
    def of_owner(self) -> bool:
        """Another organization may have another value."""
        return self.reference.startswith("store:")

    def reveal(self) -> str:
        """The key, for whoever sends it. "" when there is none."""
        return self._value

    async def resolved(self, store: Store, owner: str) -> Secret:
        """Raises LookupError, with a message that says what to do."""
        place, _, name = self.reference.partition(":")
        value: str | None = ""
        if place == "env":
            value = os.environ.get(name)
            missing = f"the environment variable {name} is not set"
        elif place == "file":
            value, missing = _first_line(Path(name)), f"the file {name} cannot be read or is empty"
        elif place == "store":
            value = await store.read(owner, name)
            missing = f"no secret {name!r} is stored: voicecore secrets set {name}"
        if self.reference and not (value or "").strip():
            raise LookupError(missing)
        return Secret(self.reference, (value or "").strip())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.reference, self._value) == (other.reference, other._value)

    def __hash__(self) -> int:
        return hash((self.reference, self._value))

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not to be written down")


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip().partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return None


def decode(kind: type, value: Any) -> Any:
    """For msgspec's `dec_hook`: strings become secrets. Raises ValueError, which msgspec reports with the field."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError(f"expected {kind.__name__}")


def references(options: msgspec.Struct) -> dict[str, Secret]:
    """Field name → secret, of those that refer to something."""
    named = ((field, getattr(options, field)) for field in options.__struct_fields__)
    return {field: value for field, value in named if isinstance(value, Secret) and value.reference}


async def resolve(options: msgspec.Struct, store: Store, owner: str = "") -> msgspec.Struct:
    """`options` with every key looked up. Raises ConfigError that names the option and the place."""
    found: dict[str, Secret] = {}
    for field, secret in references(options).items():
        try:
            found[field] = await secret.resolved(store, owner)
        except LookupError as error:
            raise ConfigError(str(error), source="options", key=field) from None
    return msgspec.structs.replace(options, **found)
