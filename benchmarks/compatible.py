"""Does a server that calls itself OpenAI-compatible work as a language model here?

    python -m benchmarks.compatible --base-url http://127.0.0.1:11434/v1 --model llama3.2

Everything a call needs of it is tried through the adapter that calls use; what a weak model does not care to do (call a
tool) is told apart from what the server cannot do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pipelines.errors import ConfigError, StageError
from pipelines.registry import make
from pipelines.stages import LlmEvent, LlmRequest, Message, TextDelta, ToolCall, ToolSpec, Usage

HOURS = ToolSpec(
    "opening_hours",
    "When the business is open on a day.",
    {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
)
SYSTEM = Message("system", "You answer the telephone of a dentist. Answer in one short sentence.")
ASKED = Message("user", "Wann haben Sie am Dienstag geöffnet?")
CALL = ToolCall("call_1", HOURS.name, {"day": "Dienstag"})


class Server:
    """One server under test."""

    def __init__(self, engine: Any, max_tokens: int) -> None:
        self._engine = engine
        self._max_tokens = max_tokens

    async def ask(self, *messages: Message, tools: tuple[ToolSpec, ...] = ()) -> tuple[list[LlmEvent], float]:
        """The events, and the milliseconds until the first of them."""
        began, first_ms, events = time.perf_counter(), 0.0, []
        async for event in self._engine.stream(self._request(messages, tools)):
            first_ms = first_ms or (time.perf_counter() - began) * 1000
            events.append(event)
        return events, first_ms

    async def warm(self) -> str:
        await self._engine.warm()
        return "a connection is open before the first request"

    async def text(self) -> str:
        events, first_ms = await self.ask(SYSTEM, ASKED)
        pieces = [event.text for event in events if isinstance(event, TextDelta)]
        if len(pieces) < 2:
            raise StageError(f"{len(pieces)} pieces of text: not streamed", stage="llm", provider="openai")
        return f"{len(pieces)} pieces, the first after {first_ms:.0f} ms: {''.join(pieces)[:60]!r}"

    async def usage(self) -> str:
        events, _ = await self.ask(SYSTEM, ASKED)
        found = [event for event in events if isinstance(event, Usage)]
        return str(found[0]) if found else "not told: tokens are estimated"

    async def tool_call(self) -> str:
        events, _ = await self.ask(SYSTEM, ASKED, tools=(HOURS,))
        calls = [event for event in events if isinstance(event, ToolCall)]
        return str(calls) if calls else "tools taken; this model called none"

    async def history(self) -> str:
        """A reply that was broken off, a tool call and its result."""
        events, _ = await self.ask(
            SYSTEM,
            Message("user", "Hallo?"),
            Message("assistant", "Guten Tag, hier ist die Praxis", interrupted=True),
            ASKED,
            Message("assistant", "", tool_calls=(CALL,)),
            Message("tool", '{"opens": "09:00", "closes": "17:00"}', tool_call_id=CALL.id),
            tools=(HOURS,),
        )
        return f"{len(events)} events"

    async def leaving(self) -> str:
        """As after a barge-in: the stream is left at its first word, and the next request is answered."""
        stream = self._engine.stream(self._request((SYSTEM, ASKED), ()))
        await anext(stream)
        began = time.perf_counter()
        await stream.aclose()
        closed_ms = (time.perf_counter() - began) * 1000
        _, first_ms = await self.ask(SYSTEM, ASKED)
        return f"closed in {closed_ms:.1f} ms; the next answer began after {first_ms:.0f} ms"

    def _request(self, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> LlmRequest:
        return LlmRequest(messages, tools, language="de", max_tokens=self._max_tokens)


async def examine(options: dict[str, Any], max_tokens: int, patience_s: float) -> dict[str, dict[str, Any]]:
    engine = await make("llm", "openai", options, source="the command line")
    server = Server(engine, max_tokens)
    checks: list[Callable[[], Awaitable[str]]] = [
        server.warm,
        server.text,
        server.usage,
        server.tool_call,
        server.history,
        server.leaving,
    ]
    results = {}
    for check in checks:
        try:
            async with asyncio.timeout(patience_s):
                results[check.__name__] = {"works": True, "found": await check()}
        except (StageError, TimeoutError, StopAsyncIteration) as error:
            results[check.__name__] = {"works": False, "found": str(error) or type(error).__name__}
    await engine.close()
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--options", default="{}", help='more of the provider\'s options, e.g. \'{"omit": ["temperature"]}\''
    )
    parser.add_argument("--max-tokens", type=int, default=60)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds for each check")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    options = {"base_url": asked.base_url, "model": asked.model, "api_key": "", **json.loads(asked.options)}
    try:
        results = asyncio.run(examine(options, asked.max_tokens, asked.patience))
    except ConfigError as error:
        sys.exit(str(error))
    if asked.json:
        print(json.dumps(results, ensure_ascii=False))
    else:
        for name, result in results.items():
            print(f"{'works' if result['works'] else 'FAILS'}  {name:10} {result['found']}")
    return 0 if all(result["works"] for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
