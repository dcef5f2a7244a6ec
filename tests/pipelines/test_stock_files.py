"""Speech on disk: found after a restart, bounded, and never believed when it is damaged."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pipelines.audio import TELEPHONE, AudioFormat, Codec
from pipelines.errors import StageError
from pipelines.failover import FailoverTts
from pipelines.roster import Named
from pipelines.stages import Tts, TtsChunk, Voice, Word
from pipelines.stock import MOST_KEPT, MOST_NAMED, Stock
from pipelines.stock_files import ABANDONED_S, MOST_WRITES, PARTIAL, StockFiles

ANNA = Voice("anna", settings={"warmth": 0.4})
SPOKEN = [TtsChunk(b"\x01" * 800, (Word("One", 0.0, 80.5),)), TtsChunk(b"\x02" * 800, (Word("moment.", 80.5, 200.0),))]
MOMENT = "One moment."


class Engine:
    """A voice that says its lines, or nothing any more."""

    def __init__(self, model: str = "m1", *, works: bool = True) -> None:
        self.model = model
        self.asked: list[str] = []
        self._works = works

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        self.asked.append(text)
        if not self._works:
            raise StageError("out of order", stage="tts", provider="test")
        for chunk in SPOKEN:
            yield chunk

    async def close(self) -> None: ...


@asynccontextmanager
async def process(folder: Path, most_bytes: int = 1 << 20, fixed: tuple[str, ...] = (MOMENT,)) -> AsyncIterator[Stock]:
    """What a process of the server has; what it keeps is on disk when it has ended."""
    files = StockFiles(folder, most_bytes)
    try:
        yield Stock(fixed, files)
    finally:
        await files.close()


async def spoken(
    stock: Stock,
    engine: Tts,
    text: str = MOMENT,
    voice: Voice = ANNA,
    made_of: str = "test",
    form: AudioFormat = TELEPHONE,
) -> list[TtsChunk]:
    tts = FailoverTts([Named[Tts]("test", engine, made_of=made_of)], lambda news: None, stock)
    return [chunk async for chunk in tts.synthesize(text, voice, form)]


def kept(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


async def test_a_sentence_outlives_the_process_with_the_times_of_its_words(tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    async with process(folder) as stock:
        assert await spoken(stock, Engine()) == SPOKEN
    assert len(kept(folder)) == 1
    dead = Engine(works=False)
    async with process(folder) as stock:
        for _ in range(2):
            assert await spoken(stock, dead) == SPOKEN
        with pytest.raises(StageError):
            await spoken(stock, dead, "Something else.")
    assert set(dead.asked) == {"Something else."}


async def test_whatever_makes_it_sound_different_has_a_file_of_its_own(tmp_path: Path) -> None:
    async with process(tmp_path) as stock:
        await spoken(stock, Engine())
    dead = Engine(works=False)
    async with process(tmp_path) as stock:
        for voice in (Voice("bob"), Voice("anna"), Voice("anna", language="de", settings=ANNA.settings)):
            with pytest.raises(StageError):
                await spoken(stock, dead, voice=voice)
        with pytest.raises(StageError):
            await spoken(stock, dead, made_of="another provider, or other options")
    async with process(tmp_path) as stock:
        with pytest.raises(StageError):
            await spoken(stock, Engine("m2", works=False))
        with pytest.raises(StageError):
            await spoken(stock, dead, form=AudioFormat(Codec.PCM16, 16000))
        assert await spoken(stock, dead) == SPOKEN


async def test_nothing_is_written_that_was_not_named_or_that_nobody_can_name(tmp_path: Path) -> None:
    async with process(tmp_path) as stock:
        await spoken(stock, Engine(), "Your number is 4711.")
        await spoken(stock, Engine(), made_of="")
    assert kept(tmp_path) == []


async def test_names_of_files_tell_nothing(tmp_path: Path) -> None:
    stock_names = [
        StockFiles.name("provider", "model", Voice("anna"), TELEPHONE, text) for text in ("Hello.", "hello.")
    ]
    assert len(set(stock_names)) == 2
    assert all(len(name) == 64 and set(name) <= set("0123456789abcdef") for name in stock_names)


async def test_greetings_are_named_later_and_bounded_in_memory(tmp_path: Path) -> None:
    async with process(tmp_path) as stock:
        engine = Engine()
        texts = [f"Welcome to company {number}." for number in range(MOST_KEPT + 1)]
        await spoken(stock, engine, texts[0])  # not named yet
        stock.name(texts)
        for text in texts:
            await spoken(stock, engine, text)
        assert len(engine.asked) == MOST_KEPT + 2
        shelf = stock.shelf(engine, ANNA, TELEPHONE, "test")
        assert shelf.get(texts[0]) is None
        assert shelf.get(texts[1]) is not None
        assert await shelf.find(texts[0]) == tuple(SPOKEN)  # on disk
        stock.name(f"Good day {number}." for number in range(MOST_NAMED))
        assert not shelf.takes(texts[1])
        assert shelf.takes(MOMENT)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "other"])
async def test_a_damaged_file_is_a_miss_and_is_removed(damage: str, tmp_path: Path) -> None:
    async with process(tmp_path) as stock:
        await spoken(stock, Engine())
    (file,) = kept(tmp_path)
    whole = file.read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    file.write_bytes({"cut": whole[:-1], "changed": changed, "empty": b"", "other": b"x" * 500}[damage])
    async with process(tmp_path) as stock:
        with pytest.raises(StageError):
            await spoken(stock, Engine(works=False))
        assert kept(tmp_path) == []
        assert await spoken(stock, Engine()) == SPOKEN
    assert [path.read_bytes() for path in kept(tmp_path)] == [whole]


async def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    texts = ("One.", "Two.", "Three.", "Four.")
    async with process(tmp_path, fixed=texts) as stock:
        for text in texts[:3]:
            await spoken(stock, Engine(), text)
    by_text = {text: tmp_path / StockFiles.name("test", "m1", ANNA, TELEPHONE, text) for text in texts}
    for age, text in enumerate(reversed(texts[:3])):
        os.utime(by_text[text], (time.time() - 60 * age - 60,) * 2)
    size = by_text["One."].stat().st_size
    async with process(tmp_path, most_bytes=3 * size, fixed=texts) as stock:
        assert await spoken(stock, Engine(works=False), "One.") == SPOKEN  # the oldest, but used
        await spoken(stock, Engine(), "Four.")
    assert set(kept(tmp_path)) == {by_text["One."], by_text["Three."], by_text["Four."]}
    async with process(tmp_path, most_bytes=size - 1, fixed=("Five.",)) as stock:
        await spoken(stock, Engine(), "Five.")  # larger than all that may be there
    assert len(kept(tmp_path)) == 3


async def test_what_a_dead_process_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    old, new = tmp_path / f"old{PARTIAL}", tmp_path / f"new{PARTIAL}"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - ABANDONED_S - 60,) * 2)
    async with process(tmp_path) as stock:
        await spoken(stock, Engine())
    assert not old.exists()
    assert new.exists()


async def test_a_disk_that_fails_costs_nothing_but_the_cache(tmp_path: Path) -> None:
    (tmp_path / "voices").write_text("no directory")
    async with process(tmp_path / "voices") as stock:
        assert await spoken(stock, Engine()) == SPOKEN
        with pytest.raises(StageError, match="out of order"):
            await spoken(stock, Engine(works=False), voice=Voice("anna"))


async def test_writes_do_not_pile_up(tmp_path: Path) -> None:
    files = StockFiles(tmp_path, 1 << 20)
    for number in range(10 * MOST_WRITES):
        files.write(f"{number:064}", SPOKEN)
    await files.close()
    assert MOST_WRITES <= len(kept(tmp_path)) < 10 * MOST_WRITES


WRITER = """
import asyncio, sys
from pathlib import Path
from pipelines.stages import TtsChunk
from pipelines.stock_files import StockFiles

async def main(folder, most_bytes):
    files = StockFiles(Path(folder), int(most_bytes))
    for round in range(5):
        for number in range(40):
            chunks = (TtsChunk(bytes([number]) * 5000),)
            found = await files.read(f"{number:064}")
            assert found in (None, chunks), number
            files.write(f"{number:064}", chunks)
    await files.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_processes_share_a_directory(tmp_path: Path) -> None:
    """Two that write, read and make room in the same twenty files' worth, and this one that looks on."""
    room = 20 * 5100
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), str(room), stderr=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    errors = [(await worker.communicate())[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    assert errors == [b"", b""]
    sizes = [path.stat().st_size for path in kept(tmp_path)]
    assert 10 <= len(sizes) <= 21  # one more at most: both may have found room for the last
    assert not [path for path in kept(tmp_path) if path.name.endswith(PARTIAL)]
    files = StockFiles(tmp_path, room)
    for path in kept(tmp_path):
        assert await files.read(path.name) == (TtsChunk(bytes([int(path.name)]) * 5000),)
    await files.close()
