"""Asking a language model for a judgement as data: one request, one JSON object, nothing believed that does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import TypeVar

import msgspec

from pipelines.failover import FailoverLlm
from pipelines.roster import Named
from pipelines.stages import Llm, LlmRequest, Message, TextDelta

S = TypeVar("S", bound=msgspec.Struct)


async def answered(
    models: Sequence[Named[Llm]],
    instructions: str,
    text: str,
    kind: type[S],
    *,
    language: str,
    within_s: float,
    max_tokens: int,
) -> S:
    """`text` is data in a language, `instructions` say what to make of it. Raises StageError, TimeoutError,
    msgspec.MsgspecError, UnicodeError."""
    request = LlmRequest(
        messages=[Message("system", instructions), Message("user", text)],
        tools=[],
        language=language,
        max_tokens=max_tokens,
        temperature=0.0,
    )
    async with asyncio.timeout(within_s), aclosing(FailoverLlm(models, lambda news: None).stream(request)) as events:
        parts = [event.text async for event in events if isinstance(event, TextDelta)]
    answer = "".join(parts).strip()
    if "\x00" in answer or "\\u0000" in answer:
        raise msgspec.ValidationError("the answer contains the character NUL")
    if answer.startswith("```"):  # models like to put JSON into a code block
        answer = answer.partition("\n")[2].rpartition("```")[0]
    return msgspec.json.decode(answer, type=kind)
