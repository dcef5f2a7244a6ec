"""A real SQLite file per test, migrated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from voicecore.storage.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open_file(tmp_path / "voicecore.db")
    yield opened
    await opened.close()
