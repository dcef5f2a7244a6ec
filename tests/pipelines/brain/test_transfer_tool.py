"""Putting a caller through: only where the agent may, only for good, and with a way on when nobody is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from config.schema import Capabilities
from pipelines.brain.tools import tool_specs
from pipelines.errors import ConflictError
from pipelines.stages import ToolCall

Ring = Callable[..., Any]


def test_it_is_offered_where_the_capability_is_on() -> None:
    assert "transfer_call" not in {spec.name for spec in tool_specs(Capabilities())}
    (spec,) = [spec for spec in tool_specs(Capabilities(call_transfer=True)) if spec.name == "transfer_call"]
    assert spec.side_effect


async def test_the_receptionist_puts_through_who_wants_a_human_being(ring: Ring) -> None:
    line = ring(call_transfer=True)
    said = await line.say("Can I speak to a human please?")
    assert "put you through" in said
    assert "transfer_call" in line.tools
    assert line.control.transfers == ["Can I speak to a human please?"]
    assert "nine" in await line.say("Until then, when do you open on monday?")  # the call goes on meanwhile


async def test_without_anybody_there_a_call_back_is_offered(ring: Ring) -> None:
    line = ring(call_transfer=True)

    async def nobody(reason: str) -> None:
        raise ConflictError("the agent has nobody to transfer calls to")

    line.control.transfer = nobody
    said = await line.say("Can I speak to a human please?")
    assert "call you back" in said
    await line.say("yes please")
    assert line.control.callbacks


async def test_nobody_is_put_through_while_he_may_still_be_speaking(ring: Ring) -> None:
    line = ring(call_transfer=True)
    result = msgspec.json.decode(await line.toolbox.run(ToolCall("1", "transfer_call", {}), speculative=True))
    assert result["error"] == "not_committed"
    assert line.control.transfers == []


async def test_in_german(ring: Ring) -> None:
    line = ring("empfang", call_transfer=True)
    assert "verbinde Sie" in await line.say("Ich möchte bitte mit einem Menschen sprechen")
