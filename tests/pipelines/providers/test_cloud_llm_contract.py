"""What every model behind a network must do: the real adapter and its SDK, over real sockets, against an emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from cloud_cases import Case, cases
from cloud_contract import BROKEN, cancels_at_once, closes_at_once, everything, is_told_well, made, soon

from benchmarks.emulators.base import Fault
from pipelines.abilities import Billed
from pipelines.errors import StageError
from pipelines.stages import Llm, LlmEvent, LlmRequest, Message, TextDelta, ToolCall, ToolSpec, Usage

REPLY = "Of course. We are open from nine to five, Monday to Friday. Anything else?"
GERMAN = "Schöne Grüße aus Köln – wir haben für Sie geöffnet: 5 € Gebühr."
BOOK = ToolSpec(
    "book",
    "Book an appointment.",
    {"type": "object", "properties": {"day": {"type": "string"}, "name": {"type": "string"}}, "required": ["day"]},
    side_effect=True,
)
HOURS = ToolSpec("hours", "Opening hours.", {"type": "object", "properties": {}})


@pytest.fixture(params=cases("llm"), ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
async def pair(case: Case, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Llm, Any]]:
    async with made(case, monkeypatch) as (engine, emulator):
        emulator.say(REPLY)
        yield engine, emulator


def asked(*messages: Message, tools: tuple[ToolSpec, ...] = (BOOK, HOURS)) -> LlmRequest:
    said = messages or (Message("user", "When are you open?"),)
    return LlmRequest(messages=[Message("system", "You answer the telephone."), *said], tools=tools)


def ask(engine: Llm, request: LlmRequest | None = None) -> AsyncGenerator[LlmEvent, None]:
    return engine.stream(request or asked())


def text(events: list[LlmEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls(events: list[LlmEvent]) -> list[ToolCall]:
    return [event for event in events if isinstance(event, ToolCall)]


async def test_text_comes_in_pieces_and_whole(pair: tuple[Llm, Any]) -> None:
    events = await everything(ask(pair[0]))
    assert text(events) == REPLY
    assert len([event for event in events if isinstance(event, TextDelta)]) > 3
    usage = [event for event in events if isinstance(event, Usage)]
    assert len(usage) == 1
    assert usage[0].input_tokens > 0
    assert usage[0].output_tokens > 0
    assert 0 <= usage[0].cached_tokens <= usage[0].input_tokens


async def test_other_languages_go_both_ways(pair: tuple[Llm, Any]) -> None:
    engine, emulator = pair
    emulator.say(GERMAN)
    assert text(await everything(ask(engine, asked(Message("user", GERMAN))))) == GERMAN
    assert GERMAN in str(emulator.requests[-1])


async def test_tool_calls_come_whole_and_in_order(pair: tuple[Llm, Any]) -> None:
    engine, emulator = pair
    emulator.call(("book", {"day": "Monday", "name": "Jörg"}), ("hours", {}))
    found = calls(await everything(ask(engine)))
    assert [(call.name, call.arguments) for call in found] == [
        ("book", {"day": "Monday", "name": "Jörg"}),
        ("hours", {}),
    ]
    assert len({call.id for call in found}) == 2
    assert all(call.id for call in found)


async def test_results_of_tools_and_broken_off_replies_are_told(pair: tuple[Llm, Any]) -> None:
    engine, emulator = pair
    history = (
        Message("assistant", "Hello, you have reached", interrupted=True),
        Message("user", "Book me on Monday."),
        Message("assistant", "", tool_calls=(ToolCall("call-1", "book", {"day": "Monday"}),)),
        Message("tool", '{"ok": true}', tool_call_id="call-1"),
    )
    assert text(await everything(ask(engine, asked(*history)))) == REPLY
    sent = str(emulator.requests[-1])
    assert "Hello, you have reached" in sent
    assert sent.count("call-1") == 2


async def test_closing_after_the_first_word(pair: tuple[Llm, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.STALL_MIDWAY
    stream = ask(engine)
    assert isinstance(await soon(anext(stream)), TextDelta)
    await closes_at_once(stream, emulator)
    assert emulator.cancelled == 1, "the provider is told"
    emulator.fault = Fault.NONE
    assert text(await everything(ask(engine))) == REPLY


async def test_cancelling_while_nothing_comes(pair: tuple[Llm, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.STALL
    task = asyncio.create_task(_read(ask(engine)))
    await soon(emulator.busy())
    await cancels_at_once(task, emulator)
    emulator.fault = Fault.NONE
    assert text(await everything(ask(engine))) == REPLY


@pytest.mark.parametrize("fault", BROKEN)
async def test_what_breaks_is_told_and_over(pair: tuple[Llm, Any], case: Case, fault: Fault) -> None:
    engine, emulator = pair
    emulator.fault = fault
    with pytest.raises(StageError) as caught:
        await everything(ask(engine))
    is_told_well(caught.value, case, fault)
    emulator.fault = Fault.NONE
    assert text(await everything(ask(engine))) == REPLY


async def test_an_empty_answer_ends(pair: tuple[Llm, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.EMPTY
    try:
        assert not text(await everything(ask(engine)))
    except StageError:
        pass
    emulator.fault = Fault.NONE
    assert text(await everything(ask(engine))) == REPLY


async def test_an_endless_answer_can_be_left(pair: tuple[Llm, Any]) -> None:
    engine, emulator = pair
    emulator.fault = Fault.HUGE
    read = 0
    stream = ask(engine)
    async with aclosing(stream):
        while read < 20_000:
            event = await soon(anext(stream))
            read += len(event.text) if isinstance(event, TextDelta) else 0
    await soon(emulator.idle())
    emulator.fault = Fault.NONE
    assert text(await everything(ask(engine))) == REPLY


async def test_several_at_once_are_not_mixed_up(pair: tuple[Llm, Any]) -> None:
    engine, _ = pair
    answers = await soon(asyncio.gather(*(everything(ask(engine)) for _ in range(12))))
    assert [text(events) for events in answers] == [REPLY] * 12


def test_it_can_be_billed(pair: tuple[Llm, Any]) -> None:
    assert isinstance(pair[0], Billed)
    assert pair[0].model


async def _read(stream: AsyncGenerator[LlmEvent, None]) -> None:
    async for _ in stream:
        pass
