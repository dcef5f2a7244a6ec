"""OpenAI's language model and what compatible servers make of its protocol; the rest is in the contract suite."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from benchmarks.emulators.base import RETRY_AFTER_S
from benchmarks.emulators.openai import KEY, OpenaiEmulator, Reply
from pipelines.abilities import Warmable
from pipelines.errors import Remedy, StageError
from pipelines.providers import openai
from pipelines.registry import make
from pipelines.stages import Llm, LlmEvent, LlmRequest, Message, TextDelta, ToolCall, ToolSpec, Usage

TOOL = ToolSpec("hours", "Opening hours.", {"type": "object", "properties": {}})


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenaiEmulator]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with OpenaiEmulator() as emulator:
        yield emulator


async def answer(emulator: OpenaiEmulator, *, times: int = 1, **options: Any) -> list[LlmEvent]:
    """Of an engine made for the purpose; of the last of several requests."""
    engine = await made(emulator, **options)
    try:
        for _ in range(times):
            events = [event async for event in engine.stream(request())]
        return events
    finally:
        await engine.close()


async def made(emulator: OpenaiEmulator, **options: Any) -> Any:
    return await make("llm", "openai", {"base_url": f"{emulator.url}/v1/", **options}, source="test")


def request(*tools: ToolSpec) -> LlmRequest:
    return LlmRequest([Message("user", "Hello")], tools or (TOOL,), max_tokens=120, temperature=0.2)


def text(events: list[LlmEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls(events: list[LlmEvent]) -> list[ToolCall]:
    return [event for event in events if isinstance(event, ToolCall)]


def piece(index: int | None, name: str | None, arguments: str, call_id: str | None = None) -> dict[str, Any]:
    call: dict[str, Any] = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"tool_calls": [call | ({} if index is None else {"index": index}) | ({"id": call_id} if call_id else {})]}


# --- the request --------------------------------------------------------------------------------------


async def test_a_compatible_server_is_asked_in_the_oldest_words(emulator: OpenaiEmulator) -> None:
    await answer(emulator, model="llama3.2")
    sent = emulator.requests[-1]
    assert sent["model"] == "llama3.2"
    assert (sent["max_tokens"], sent["temperature"]) == (120, 0.2)
    assert {"reasoning_effort", "max_completion_tokens"} & set(sent) == set()
    assert sent["tools"][0]["function"]["parameters"] == TOOL.parameters


async def test_openai_itself_is_asked_without_reasoning(
    emulator: OpenaiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "OPENAI_URL", f"{emulator.url}/v1")
    await answer(emulator)
    sent = emulator.requests[-1]
    assert sent["reasoning_effort"] == "none"
    assert sent["max_completion_tokens"] == 120
    assert "max_tokens" not in sent


async def test_options_go_into_the_request(emulator: OpenaiEmulator) -> None:
    events = await answer(
        emulator,
        omit=["stream_options", "temperature"],
        extra_body={"seed": 7},
        max_tokens_field="max_completion_tokens",
    )
    sent = emulator.requests[-1]
    assert {"stream_options", "temperature", "max_tokens"} & set(sent) == set()
    assert (sent["seed"], sent["max_completion_tokens"]) == (7, 120)
    assert text(events)
    assert not [event for event in events if isinstance(event, Usage)]


@pytest.mark.parametrize("named", [True, False])
async def test_a_field_that_the_model_lacks_is_found_out_once(emulator: OpenaiEmulator, named: bool) -> None:
    emulator.names_parameters = named
    emulator.refuses = {"temperature", "reasoning_effort"}
    assert text(await answer(emulator, times=2, reasoning_effort="none")) == emulator.replies[0].text
    assert len(emulator.requests) == 4
    assert "temperature" in emulator.requests[0]
    assert {"temperature", "reasoning_effort"} & set(emulator.requests[-1]) == set()


async def test_what_cannot_be_left_out_is_an_error(emulator: OpenaiEmulator) -> None:
    emulator.refuses = {"max_tokens"}
    with pytest.raises(StageError, match="max_tokens") as caught:
        await answer(emulator)
    assert caught.value.remedy is Remedy.SWITCH
    assert len(emulator.requests) == 1


async def test_the_key_goes_to_nobody_else(emulator: OpenaiEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers repeat the key that they refuse; an organization of the environment is not the key's."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    await answer(emulator)
    assert emulator.organizations == [None]
    emulator.keys = ("another",)
    with pytest.raises(StageError) as caught:
        await answer(emulator)
    assert KEY not in str(caught.value)
    assert "Incorrect API key" in caught.value.message


async def test_a_server_may_want_no_key(emulator: OpenaiEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    emulator.keys = ("",)
    assert text(await answer(emulator, api_key=""))


# --- the answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        pytest.param(
            (piece(0, "a", "{}", "x"), piece(0, "b", '{"n": 1}', "y")),
            [("x", "a", {}), ("y", "b", {"n": 1})],
            id="every-index-0",
        ),
        pytest.param(
            (piece(None, "a", "", "x"), piece(None, "b", "", "y")), [("x", "a", {}), ("y", "b", {})], id="no-index"
        ),
        pytest.param(
            (piece(0, "a", "{"), piece(1, "b", "{"), piece(0, None, '"n": 1}'), piece(1, None, "}")),
            [("call_0", "a", {"n": 1}), ("call_1", "b", {})],
            id="mixed-and-without-ids",
        ),
        pytest.param(
            (piece(0, "a", '{"n"', "x"), piece(0, "a", ": 1}", "x")), [("x", "a", {"n": 1})], id="name-repeated"
        ),
        pytest.param((piece(0, "a", "  ", "x"),), [("x", "a", {})], id="no-arguments"),
    ],
)
async def test_servers_give_calls_in_their_own_ways(
    emulator: OpenaiEmulator, deltas: tuple[dict[str, Any], ...], expected: list[tuple[str, str, dict[str, Any]]]
) -> None:
    emulator.replies = [Reply(deltas=deltas)]
    assert [(call.id, call.name, call.arguments) for call in calls(await answer(emulator))] == expected


@pytest.mark.parametrize("arguments", ['{"n": ', "[1]", "hello", '{"n": 1} {"n": 2}'])
async def test_arguments_that_are_no_object_are_an_error(emulator: OpenaiEmulator, arguments: str) -> None:
    emulator.replies = [Reply(deltas=(piece(0, "a", arguments, "x"),), finish="length")]
    with pytest.raises(StageError, match="not a JSON object"):
        await answer(emulator)


async def test_text_may_come_before_calls(emulator: OpenaiEmulator) -> None:
    emulator.replies = [Reply("One moment.", calls=(("hours", {}),))]
    events = await answer(emulator)
    assert text(events) == "One moment."
    assert [call.name for call in calls(events)] == ["hours"]


async def test_a_refusal_is_spoken_and_a_thought_is_not(emulator: OpenaiEmulator) -> None:
    emulator.replies = [Reply(deltas=({"reasoning_content": "hm"}, {"content": None}, {"refusal": "I may not."}))]
    assert text(await answer(emulator)) == "I may not."


async def test_what_the_filter_swallowed_is_an_error(emulator: OpenaiEmulator) -> None:
    emulator.replies = [Reply(finish="content_filter")]
    with pytest.raises(StageError, match="content filter") as caught:
        await answer(emulator)
    assert caught.value.remedy is Remedy.SWITCH


async def test_an_answer_without_a_finish_broke_off(emulator: OpenaiEmulator) -> None:
    emulator.says_finish = False
    with pytest.raises(StageError, match="broke off"):
        await answer(emulator)


async def test_the_last_word_may_be_missing(emulator: OpenaiEmulator) -> None:
    emulator.says_done = False
    assert text(await answer(emulator)) == emulator.replies[0].text


async def test_trouble_may_come_in_the_middle(emulator: OpenaiEmulator) -> None:
    message = f"Rate limit reached. Please try again in {RETRY_AFTER_S * 1000}ms."
    emulator.replies = [Reply(trouble={"message": message, "type": "tokens", "code": "rate_limit_exceeded"})]
    with pytest.raises(StageError) as caught:
        await answer(emulator)
    assert caught.value.remedy is Remedy.SWITCH
    assert caught.value.retry_after_s == RETRY_AFTER_S
    emulator.replies = [Reply(trouble={"message": "overloaded", "type": "server_error", "code": None})]
    with pytest.raises(StageError, match="overloaded") as caught:
        await answer(emulator)
    assert caught.value.remedy is Remedy.RETRY


async def test_wrong_types_are_found(emulator: OpenaiEmulator) -> None:
    emulator.replies = [Reply(deltas=({"content": ["not", "text"]},))]
    with pytest.raises(StageError, match="malformed"):
        await answer(emulator)


# --- connections --------------------------------------------------------------------------------------


async def test_one_warm_connection_serves_one_call(emulator: OpenaiEmulator) -> None:
    engine = await made(emulator)
    assert all(isinstance(engine, kind) for kind in (Llm, Warmable))
    await engine.warm()
    asked = len(emulator.organizations)
    await engine.warm()
    assert len(emulator.organizations) == asked, "it is warm already"
    for _ in range(3):
        assert [event async for event in engine.stream(request())]
    assert emulator.connections == 1
    stream = engine.stream(request())
    await anext(stream)
    await stream.aclose()
    await engine.warm()
    assert [event async for event in engine.stream(request())]
    assert emulator.connections == 2, "the stream that was left took its connection with it"
    await engine.close()


async def test_warming_tells_what_is_wrong(emulator: OpenaiEmulator) -> None:
    emulator.keys = ("another",)
    engine = await made(emulator)
    with pytest.raises(StageError) as caught:
        await engine.warm()
    assert caught.value.remedy is Remedy.SWITCH
    await engine.close()


async def test_nobody_there(emulator: OpenaiEmulator, unused_tcp_port: int) -> None:
    engine: Any = await make(
        "llm", "openai", {"base_url": f"http://127.0.0.1:{unused_tcp_port}/v1", "api_key": ""}, source="test"
    )
    with pytest.raises(StageError, match="connection failed") as caught:
        await anext(engine.stream(request()))
    assert caught.value.remedy is Remedy.RETRY
    await engine.close()


def test_the_sdk_is_not_imported_with_the_provider() -> None:
    check = "import sys, pipelines.providers.openai; sys.exit('openai' in sys.modules or 'httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
