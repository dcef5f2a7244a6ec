from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pipelines.errors import StageError
from pipelines.speech.models import Models, default_cache


async def test_a_build_that_fails_says_why_and_may_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a directory should be")
    models = Models(tmp_path / "cache")
    await models.start()
    first = models.request(("a",))
    with pytest.raises(StageError, match="not built"):
        await first
    again = models.request(("a",))
    assert again is not first
    await models.close()
    assert again.cancelled()


async def test_the_same_phrases_share_one_build(tmp_path: Path) -> None:
    models = Models(tmp_path)
    await models.start()
    first = models.request(("a", "b"))
    assert models.request(("b", "a", "a")) is first
    assert models.request(("c",)) is not first
    await models.close()
    assert first.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_cache_follows_the_users_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "voicecore" / "speech"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_cache() == Path("/home/somebody/.cache/voicecore/speech")
