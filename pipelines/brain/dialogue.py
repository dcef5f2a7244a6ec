"""One reply of an agent: streams the model, runs the tools it calls, asks again, until it is done.

The same loop serves a telephone call and a text dialogue. It refuses to know audio, turns and storage.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import msgspec

from pipelines.brain.tools import Toolbox
from pipelines.stages import Hint, Llm, LlmRequest, Message, TextDelta, ToolCall, Usage

MAX_ROUNDS = 6


class ToolRan(msgspec.Struct, frozen=True):
    """A tool was run. `started` and `ended` are seconds of the monotonic clock (`time.monotonic`).
    `speculative`: before the caller's turn was certain."""

    call: ToolCall
    result: str
    started: float
    ended: float
    speculative: bool = False


ReplyEvent = TextDelta | Hint | Usage | ToolRan


async def reply(
    llm: Llm,
    toolbox: Toolbox,
    request: LlmRequest,
    history: list[Message],
    *,
    committed: asyncio.Event | None = None,
    max_rounds: int = MAX_ROUNDS,
    late: Callable[[ToolRan], None] = lambda ran: None,
) -> AsyncGenerator[ReplyEvent, None]:
    """Streams one reply and appends to `history` what it adds: calls, results, the text as generated.

    `request.messages` ends with the caller's words and is not changed. Looking-up tools run at once;
    a tool with a side effect waits for `committed` (None: the turn is committed already), so a
    speculative reply holds there until it is set, or is cancelled. A side effect that has begun is
    finished, told `late`, and recorded in `history` even if the reply is cancelled meanwhile. Raises StageError.
    """
    for _ in range(max_rounds):
        text: list[str] = []
        calls: list[ToolCall] = []
        try:
            asked = msgspec.structs.replace(request, messages=[*request.messages, *history])
            stream = llm.stream(asked)
            async with aclosing(stream) as events:
                async for event in events:
                    if isinstance(event, ToolCall):
                        calls.append(event)
                        continue
                    if isinstance(event, TextDelta):
                        text.append(event.text)
                    yield event
        finally:
            if text or calls:
                history.append(Message("assistant", "".join(text).strip(), tuple(calls)))
        if not calls:
            return
        for call in calls:
            if committed is not None and toolbox.has_side_effect(call.name):
                await committed.wait()
            speculative = committed is not None and not committed.is_set()
            yield await _run(toolbox, call, history, speculative, late)


async def _run(
    toolbox: Toolbox, call: ToolCall, history: list[Message], speculative: bool, late: Callable[[ToolRan], None]
) -> ToolRan:
    started = time.monotonic()
    running = asyncio.ensure_future(toolbox.run(call, speculative=speculative))
    try:
        result = await asyncio.shield(running)
    except asyncio.CancelledError:
        if toolbox.has_side_effect(call.name):  # the deed may be done: the history has to know
            result = await running
            history.append(_result(call, result))
            late(ToolRan(call, result, started, time.monotonic(), speculative))
        else:
            running.cancel()
        raise
    history.append(_result(call, result))
    return ToolRan(call, result, started, time.monotonic(), speculative)


def _result(call: ToolCall, result: str) -> Message:
    return Message("tool", result, tool_call_id=call.id)


def as_heard(added: Sequence[Message], heard: str, *, interrupted: bool) -> list[Message]:
    """What a reply added to the history, its texts cut to what the caller heard of them.

    `heard` are the words that were played, over all texts of the reply. Calls and results stay: they happened.
    """
    if not interrupted:
        return list(added)
    left = heard.split()
    kept: list[Message] = []
    for message in added:
        if message.role != "assistant":
            kept.append(message)
            continue
        words = message.content.split()
        part, left = left[: len(words)], left[len(words) :]
        if part or message.tool_calls:
            cut = len(part) < len(words)
            kept.append(msgspec.structs.replace(message, content=" ".join(part), interrupted=cut))
    return kept


async def run(llm: Llm, toolbox: Toolbox, request: LlmRequest, texts: Sequence[str]) -> tuple[list[Message], list[str]]:
    """A whole text dialogue. Returns the messages after `request.messages`, and the replies."""
    messages: list[Message] = []
    replies: list[str] = []
    for text in texts:
        messages.append(Message("user", text))
        added: list[Message] = []
        asked = msgspec.structs.replace(request, messages=[*request.messages, *messages])
        async with aclosing(reply(llm, toolbox, asked, added)) as events:
            replies.append("".join([e.text async for e in events if isinstance(e, TextDelta)]).strip())
        messages += added
    return messages, replies
