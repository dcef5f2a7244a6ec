"""The receptionist as a provider: the protocol, statelessness, a bounded cache, and how long a reply takes."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter

import pytest

from config.errors import ConfigError
from config.schema import Capabilities
from pipelines.brain.tools import tool_specs
from pipelines.providers.receptionist import Receptionist, ReceptionistOptions
from pipelines.registry import make
from pipelines.stages import Expect, Hint, Llm, LlmRequest, Message, TextDelta, ToolCall

TOOLS = tool_specs(Capabilities())
NOW = datetime(2026, 11, 24, 10, 5, tzinfo=UTC)
CALLS = (ToolCall("call_1", "list_services", {}), ToolCall("call_2", "opening_hours", {}))
PRIMED = [
    Message("assistant", "", CALLS),
    Message("tool", '{"services": [{"name": "Checkup", "minutes": 30}]}', tool_call_id="call_1"),
    Message("tool", '{"hours": [{"weekday": 1, "opens": "09:00", "closes": "18:00"}]}', tool_call_id="call_2"),
]


def request(*messages: Message) -> LlmRequest:
    return LlmRequest([Message("system", "…"), *messages], TOOLS, "en", NOW, {"company_name": "C"})


async def test_the_registry_makes_it() -> None:
    engine = await make("llm", "receptionist", {}, source="test")
    assert isinstance(engine, Llm)
    await engine.close()
    with pytest.raises(ConfigError):
        await make("llm", "receptionist", {"cache": 1}, source="test")


async def test_it_streams_a_hint_words_and_calls() -> None:
    llm = Receptionist(ReceptionistOptions())
    first = [e async for e in llm.stream(request(Message("user", "i need an appointment")))]
    assert first == list(CALLS)
    events = [e async for e in llm.stream(request(Message("user", "i need an appointment"), *PRIMED))]
    assert events[0] == Hint(Expect.DATE_TIME)
    words = [e.text for e in events[1:] if isinstance(e, TextDelta)]
    assert "".join(words) == "What day and time would suit you?"
    assert len(words) == 7


def test_the_cache_is_bounded_and_changes_nothing() -> None:
    small, large = Receptionist(ReceptionistOptions(cache_entries=2)), Receptionist(ReceptionistOptions())
    history: list[Message] = []
    for text in ("i need an appointment", "next tuesday", "at three", "flurb", "never mind"):
        history.append(Message("user", text))
        if len(history) == 1:
            history += PRIMED
        assert small.decide(request(*history)) == large.decide(request(*history))
        history.append(Message("assistant", large.decide(request(*history)).text))
    assert len(small._states) == 2


def test_two_calls_do_not_mix() -> None:
    llm = Receptionist(ReceptionistOptions())
    llm.decide(request(Message("user", "i need an appointment"), *PRIMED))
    other = llm.decide(request(Message("user", "are you open on sunday"), *PRIMED))
    assert "On Sunday" in other.text
    llm.decide(request(Message("user", "i need an appointment"), *PRIMED, Message("user", "friday")))
    again = llm.decide(request(Message("user", "i need an appointment"), *PRIMED))
    assert again.text == "What day and time would suit you?"


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [Message("assistant", "hello")],
        [Message("tool", "{}", tool_call_id="nobody")],
        [Message("user", "hi"), Message("assistant", "", CALLS), Message("tool", "not json", tool_call_id="call_1")],
        [Message("user", "hi"), Message("assistant", "", CALLS), Message("tool", "[1]", tool_call_id="call_2")],
        [Message("user", "\x00 \ud83d\ude00" * 50)],
    ],
)
def test_odd_histories_do_not_break_it(messages: list[Message]) -> None:
    Receptionist(ReceptionistOptions()).decide(request(*messages))


def test_a_reply_takes_milliseconds(record_property: object) -> None:
    llm = Receptionist(ReceptionistOptions(cache_entries=1))  # as good as no cache: everything is recomputed
    history = [Message("user", "i need an appointment"), *PRIMED]
    for n in range(30):
        history += [Message("assistant", "…"), Message("user", f"how about the weather number {n}")]
    started = perf_counter()
    llm.decide(request(*history))
    assert perf_counter() - started < 0.5
