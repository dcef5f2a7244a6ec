"""The reply loop: tool rounds, commitment, cancellation, and the history as it was heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from pipelines.brain.dialogue import ToolRan, as_heard, reply, run
from pipelines.stages import LlmEvent, LlmRequest, Message, TextDelta, ToolCall

Ring = Callable[..., Any]
READY = "i'd like a checkup next tuesday at three my name is sarah johnson"


class Scripted:
    """A model that plays given rounds."""

    def __init__(self, *rounds: list[LlmEvent]) -> None:
        self.rounds = list(rounds)
        self.asked: list[LlmRequest] = []

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        self.asked.append(request)
        for event in self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]:
            yield event

    async def close(self) -> None: ...


def request_of(line: Any, text: str) -> LlmRequest:
    messages = [*line.messages, Message("user", text)]
    request: LlmRequest = msgspec.structs.replace(line._request, messages=messages)
    return request


async def test_results_go_back_to_the_model_in_order(ring: Ring) -> None:
    line, added = ring(), list[Message]()
    model = Scripted(
        [TextDelta("One moment."), ToolCall("a", "list_services", {}), ToolCall("b", "opening_hours", {})],
        [TextDelta("Done.")],
    )
    events = [e async for e in reply(model, line.toolbox, request_of(line, "hi"), added)]
    assert [m.role for m in added] == ["assistant", "tool", "tool", "assistant"]
    assert [m.tool_call_id for m in added[1:3]] == ["a", "b"]
    assert model.asked[1].messages[-3:] == added[:3]
    ran = [e for e in events if isinstance(e, ToolRan)]
    assert [r.call.id for r in ran] == ["a", "b"]
    assert ran[0].started <= ran[0].ended <= ran[1].started


async def test_a_model_that_never_stops_calling_is_stopped(ring: Ring) -> None:
    line, added = ring(), list[Message]()
    model = Scripted([ToolCall("a", "opening_hours", {})])
    events = [e async for e in reply(model, line.toolbox, request_of(line, "hi"), added, max_rounds=4)]
    assert len(events) == len(model.asked) == 4


async def test_a_speculative_reply_looks_up_but_waits_with_deeds(ring: Ring) -> None:
    line = ring()
    await line.say(READY)
    committed, added = asyncio.Event(), list[Message]()
    stream = reply(line.llm, line.toolbox, request_of(line, "yes"), added, committed=committed)
    waiting = asyncio.ensure_future(anext(stream))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done() or not isinstance(waiting.result(), ToolRan)
    assert line.booked == []
    committed.set()
    await waiting
    async for _ in stream:
        pass
    assert len(line.booked) == 1


async def test_a_speculative_reply_that_is_cancelled_did_nothing(ring: Ring) -> None:
    line = ring()
    await line.say(READY)
    stream = reply(line.llm, line.toolbox, request_of(line, "yes"), [], committed=asyncio.Event())
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await stream.aclose()
    assert line.booked == []
    assert "is booked" in await line.say("yes")


async def test_a_deed_that_has_begun_is_recorded_when_the_reply_is_cancelled(ring: Ring) -> None:
    line, added, begun, go_on = ring(), list[Message](), asyncio.Event(), asyncio.Event()
    late: list[ToolRan] = []
    await line.say(READY)
    book = line.calendar.book

    async def slow(*arguments: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await book(*arguments)

    line.calendar.book = slow

    async def speak() -> None:
        async for _ in reply(line.llm, line.toolbox, request_of(line, "yes"), added, late=late.append):
            pass

    task = asyncio.ensure_future(speak())
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert len(line.booked) == 1
    assert [m.role for m in added] == ["assistant", "tool"]
    assert [(ran.call.name, ran.result) for ran in late] == [("book_appointment", added[-1].content)]


def test_what_was_not_heard_is_cut_and_deeds_stay() -> None:
    added = [
        Message("assistant", "One moment.", (ToolCall("a", "x", {}),)),
        Message("tool", "{}", tool_call_id="a"),
        Message("assistant", "It is done now."),
    ]
    cut = as_heard(added, "One moment. It is", interrupted=True)
    assert [m.content for m in cut] == ["One moment.", "{}", "It is"]
    assert [m.interrupted for m in cut] == [False, False, True]
    assert [m.content for m in as_heard(added, "", interrupted=True)] == ["", "{}"]
    assert as_heard(added, "anything", interrupted=False) == added


async def test_a_text_dialogue(ring: Ring) -> None:
    line = ring()
    request = msgspec.structs.replace(line._request, messages=line.messages)
    messages, replies = await run(line.llm, line.toolbox, request, [READY, "yes"])
    assert len(replies) == 2
    assert [m.role for m in messages if m.role == "user"] == ["user", "user"]
    assert len(line.booked) == 1
