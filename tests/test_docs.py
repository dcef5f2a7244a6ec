"""The documentation knows every setting there is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from config.schema import AgentSettings, ServerSettings

DOCS = Path(__file__).parent.parent / "docs"


def keys_of(kind: type[msgspec.Struct]) -> set[str]:
    """Names of all fields, of nested blocks too."""
    found = set()
    for field in msgspec.structs.fields(kind):
        found.add(field.encode_name)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found |= keys_of(field.type)
    return found


@pytest.mark.parametrize(("kind", "page"), [(AgentSettings, "agents.md"), (ServerSettings, "settings.md")])
def test_every_setting_is_documented(kind: type[msgspec.Struct], page: str) -> None:
    text = (DOCS / page).read_text()
    assert {key for key in keys_of(kind) if f"`{key}`" not in text} == set()
