"""What every recogniser behind a network must do: the real adapter, over real sockets, against an emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from cloud_cases import Case, cases
from cloud_contract import BROKEN, cancels_at_once, is_told_well, made, soon

from benchmarks.emulators.base import Fault
from pipelines.abilities import Billed
from pipelines.errors import StageError
from pipelines.stages import Stt, SttOptions, SttSession, Transcript

WORDS = "I would like to book an appointment"
GERMAN = "Ich möchte für übermorgen einen Termin in Köln"
FRAME_MS = 20


@pytest.fixture(params=cases("stt"), ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
async def pair(case: Case, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Stt, Any]]:
    async with made(case, monkeypatch) as (engine, emulator):
        emulator.transcript = WORDS
        yield engine, emulator


def hum(ms: int, rate_hz: int) -> bytes:
    at = np.arange(ms * rate_hz // 1000) / rate_hz
    return (8000 * np.sin(2 * np.pi * 200 * at)).astype("<i2").tobytes()


def say(session: SttSession, ms: int = 600, rate_hz: int = 8000) -> None:
    sound = hum(ms, rate_hz)
    frame = rate_hz * FRAME_MS // 1000 * 2
    for start in range(0, len(sound), frame):
        session.feed(sound[start : start + frame])


async def understood(session: SttSession, ms: int = 600, rate_hz: int = 8000) -> Transcript:
    session.begin()
    say(session, ms, rate_hz)
    transcript = await soon(session.flush())
    session.end()
    return transcript


def plain(text: str) -> str:
    return text.strip().rstrip(".")


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
async def test_it_hears_at_the_rate_of_the_line(pair: tuple[Stt, Any], rate_hz: int) -> None:
    engine, emulator = pair
    session = await soon(engine.open(SttOptions(rate_hz=rate_hz)))
    assert plain((await understood(session, 600, rate_hz)).text) == WORDS
    assert emulator.heard_ms == pytest.approx(600, abs=60)
    await session.close()


async def test_one_utterance_after_another(pair: tuple[Stt, Any]) -> None:
    engine, emulator = pair
    session = await soon(engine.open(SttOptions()))
    for text in ("first words", "second words", "third words"):
        emulator.transcript = text
        assert plain((await understood(session)).text) == text
    await session.close()


async def test_a_second_flush_covers_the_whole_utterance(pair: tuple[Stt, Any]) -> None:
    engine, emulator = pair
    session = await soon(engine.open(SttOptions()))
    session.begin()
    emulator.transcript = "my number is"
    say(session)
    assert plain((await soon(session.flush())).text) == "my number is"
    emulator.add("four seven")
    say(session)
    assert plain((await soon(session.flush())).text).replace(".", "") == "my number is four seven"
    session.end()
    await session.close()


async def test_nothing_new_is_nothing_lost(pair: tuple[Stt, Any]) -> None:
    """Flushed twice without audio between, and an utterance without any audio."""
    engine, _ = pair
    session = await soon(engine.open(SttOptions()))
    session.begin()
    say(session)
    first = await soon(session.flush())
    assert plain((await soon(session.flush())).text) == plain(first.text)
    session.end()
    session.begin()
    assert (await soon(session.flush())).text == ""
    await session.close()


async def test_other_languages_arrive_as_written(pair: tuple[Stt, Any]) -> None:
    engine, emulator = pair
    emulator.transcript = GERMAN
    session = await soon(engine.open(SttOptions(language="de", phrases=("Köln", "Frau Müller"))))
    assert plain((await understood(session)).text) == GERMAN
    assert "de" in str(emulator.language)
    await session.close()


async def test_cancelling_a_flush_leaves_the_session_usable(pair: tuple[Stt, Any]) -> None:
    engine, emulator = pair
    session = await soon(engine.open(SttOptions()))
    emulator.fault = Fault.STALL
    session.begin()
    say(session)
    flush = asyncio.create_task(session.flush())
    await soon(emulator.busy())
    await cancels_at_once(flush, emulator)
    session.end()
    emulator.fault = Fault.NONE
    emulator.transcript = "something else"
    assert plain((await understood(session)).text) == "something else"
    await session.close()


@pytest.mark.parametrize("fault", BROKEN)
async def test_what_breaks_is_told_and_over(pair: tuple[Stt, Any], case: Case, fault: Fault) -> None:
    """Told at the opening or at the flush, whichever meets it; a new session works."""
    engine, emulator = pair
    emulator.fault = fault
    with pytest.raises(StageError) as caught:
        await _one_utterance(engine)
    is_told_well(caught.value, case, fault)
    emulator.fault = Fault.NONE
    session = await soon(engine.open(SttOptions()))
    assert plain((await understood(session)).text) == WORDS
    await session.close()


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.SERVER_ERROR])
async def test_a_session_whose_provider_went_away_says_so_at_the_next_flush(
    pair: tuple[Stt, Any], case: Case, fault: Fault
) -> None:
    engine, emulator = pair
    session = await soon(engine.open(SttOptions()))
    assert plain((await understood(session)).text) == WORDS
    emulator.fault = fault
    with pytest.raises(StageError):
        await understood(session)
    await session.close()


async def test_nothing_understood_is_an_empty_text(pair: tuple[Stt, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.EMPTY
    session = await soon(engine.open(SttOptions()))
    assert (await understood(session)).text == ""
    await session.close()


async def test_a_flood_of_results_does_no_harm(pair: tuple[Stt, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.HUGE
    session = await soon(engine.open(SttOptions()))
    try:
        await understood(session)
    except StageError:
        pass
    await session.close()
    emulator.fault = Fault.NONE
    session = await soon(engine.open(SttOptions()))
    assert plain((await understood(session)).text) == WORDS
    await session.close()


async def test_calls_are_not_mixed_up(pair: tuple[Stt, Any]) -> None:
    engine, _ = pair
    sessions = [await soon(engine.open(SttOptions())) for _ in range(6)]
    texts = await soon(asyncio.gather(*(understood(session) for session in sessions)))
    assert [plain(one.text) for one in texts] == [WORDS] * 6
    for session in sessions:
        await session.close()


async def test_closing_a_session_closes_its_socket(pair: tuple[Stt, Any]) -> None:
    engine, emulator = pair
    session = await soon(engine.open(SttOptions()))
    session.begin()
    say(session)
    await soon(session.close())
    await soon(emulator.unplugged())


def test_it_can_be_billed(pair: tuple[Stt, Any]) -> None:
    assert isinstance(pair[0], Billed)
    assert pair[0].model


async def _one_utterance(engine: Stt) -> Transcript:
    session = await soon(engine.open(SttOptions()))
    try:
        return await understood(session)
    finally:
        await session.close()
