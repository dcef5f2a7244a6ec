"""Keys are looked up where settings say, and shown nowhere."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import msgspec
import pytest

from pipelines import secrets
from pipelines.errors import ConfigError
from pipelines.secrets import NoStore, Secret

KEY = "key-that-must-not-show-4711"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    api_key: Secret = Secret("env:SOME_PROVIDER_KEY")
    model: str = "m"


class Shelf:
    """Everybody has the owner ""."""

    def __init__(self, **kept: str) -> None:
        self.kept = kept

    async def read(self, owner: str, name: str) -> str | None:
        return self.kept.get(f"{owner}_{name}", self.kept.get(f"_{name}"))


def options(reference: str) -> Options:
    return msgspec.convert({"api_key": reference}, Options, dec_hook=secrets.decode)


async def revealed(reference: str, store: secrets.Store | None = None, owner: str = "") -> str:
    resolved = await secrets.resolve(options(reference), store or NoStore(), owner)
    assert isinstance(resolved, Options)
    return resolved.api_key.reveal()


async def test_each_place_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOME_PROVIDER_KEY", f" {KEY}\n")
    (tmp_path / "key").write_text(f"{KEY}\n# a note")
    assert await revealed("env:SOME_PROVIDER_KEY") == KEY
    assert await revealed(f"file:{tmp_path / 'key'}") == KEY
    assert await revealed("store:voice", Shelf(_voice=KEY)) == KEY


async def test_an_owners_own_secret_goes_before_everybodys() -> None:
    shelf = Shelf(_voice="everybody's", org_voice="theirs")
    assert await revealed("store:voice", shelf, "org") == "theirs"
    assert await revealed("store:voice", shelf, "other") == "everybody's"


async def test_no_reference_is_no_key() -> None:
    assert await revealed("") == ""


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("env:SOME_PROVIDER_KEY", "environment variable SOME_PROVIDER_KEY is not set"),
        ("file:/nowhere/key", "file /nowhere/key cannot be read"),
        ("store:voice", "voicecore secrets set voice"),
    ],
)
async def test_a_key_that_is_nowhere_is_named(monkeypatch: pytest.MonkeyPatch, reference: str, told: str) -> None:
    monkeypatch.delenv("SOME_PROVIDER_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        await revealed(reference)
    assert told in caught.value.reason
    assert caught.value.key == "api_key"


@pytest.mark.parametrize("plain", [KEY, f"vault:{KEY}", "env:", ":x"])
def test_a_key_in_plain_text_is_refused_and_not_repeated(plain: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="a key itself is refused") as caught:
        options(plain)
    assert KEY not in str(caught.value)


async def test_it_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PROVIDER_KEY", KEY)
    resolved = await secrets.resolve(options("env:SOME_PROVIDER_KEY"), NoStore())
    assert isinstance(resolved, Options)
    shown = f"{resolved} {resolved!r} {resolved.api_key} {resolved.api_key!r} {[resolved.api_key]}"
    assert KEY not in shown
    assert "SOME_PROVIDER_KEY" in shown
    for write in (pickle.dumps, copy.deepcopy, msgspec.json.encode):
        with pytest.raises(TypeError):
            write(resolved.api_key)
