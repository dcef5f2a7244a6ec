"""Chat completions, streamed: the one interface that OpenAI and all compatible servers have in common.

Chunks are decoded here and not into the SDK's models, which take seven times as long and check nothing.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence, Set
from typing import Any

import msgspec
from openai import AsyncStream, BadRequestError

from pipelines.errors import Remedy
from pipelines.providers._openai_client import OpenaiClient
from pipelines.providers.openai import OpenaiOptions
from pipelines.stages import LlmEvent, LlmRequest, Message, TextDelta, ToolCall, ToolSpec, Usage

MODEL = "gpt-6-luna"
NEGOTIABLE = frozenset({"temperature", "reasoning_effort", "stream_options", "parallel_tool_calls"})
LONGEST_ARGUMENTS = 200_000  # characters


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _CallPiece(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_CallPiece] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _InputDetails | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None


class OpenaiLlm:
    """An `Llm` (see `pipelines.stages`)."""

    def __init__(self, options: OpenaiOptions) -> None:
        self.model = options.model or MODEL
        self._client = OpenaiClient("llm", options)
        self._limit_field = options.max_tokens_field or ("max_completion_tokens" if options.of_openai else "max_tokens")
        effort = "none" if options.reasoning_effort is None and options.of_openai else options.reasoning_effort
        self._fixed = {"reasoning_effort": effort} if effort else {}
        self._extra = options.extra_body
        self._omitted = set(options.omit)

    async def warm(self) -> None:
        await self._client.warm()

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        with self._client.request():
            async with await self._ask(request) as stream:
                async for event in self._events(stream):
                    yield event

    async def close(self) -> None:
        await self._client.close()

    async def _ask(self, request: LlmRequest) -> AsyncStream[object]:
        """A field that this model does not have is found out once: the first request is asked again without it."""
        while True:
            body = self._body(request)
            try:
                return await self._client.sdk.post(
                    "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
                )
            except BadRequestError as error:
                unwanted = _unwanted(error, NEGOTIABLE & body.keys())
                if unwanted is None:
                    raise
                self._omitted.add(unwanted)

    def _body(self, request: LlmRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [_message(message) for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": request.temperature,
            self._limit_field: request.max_tokens,
            **self._fixed,
        }
        if request.tools:
            body["tools"] = _tools(request.tools)
        return {name: value for name, value in (body | self._extra).items() if name not in self._omitted}

    async def _events(self, stream: AsyncStream[object]) -> AsyncGenerator[LlmEvent, None]:
        calls = _Calls()
        finish, usage, spoke = "", None, False
        async for item in stream:
            chunk = msgspec.convert(item, _Chunk)
            usage = chunk.usage or usage
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                if choice.delta is None:
                    continue
                if text := (choice.delta.content or "") + (choice.delta.refusal or ""):
                    spoke = True
                    yield TextDelta(text)
                for piece in choice.delta.tool_calls or ():
                    calls.add(piece)
        if not finish:
            raise self._client.failure("the answer broke off")
        for call in self._whole(calls):
            spoke = True
            yield call
        if finish == "content_filter" and not spoke:
            raise self._client.failure("nothing passed the provider's content filter", Remedy.SWITCH)
        if usage is not None:
            details = usage.prompt_tokens_details
            yield Usage(usage.prompt_tokens, usage.completion_tokens, (details and details.cached_tokens) or 0)

    def _whole(self, calls: _Calls) -> list[ToolCall]:
        try:
            return calls.whole()
        except ValueError as error:
            raise self._client.failure("a tool call's arguments are not a JSON object") from error


def _unwanted(error: BadRequestError, sent: Set[str]) -> str | None:
    """The field that a refusal is about. OpenAI names it; gateways only mention it in their message."""
    if error.param is not None:
        return error.param if error.param in sent else None
    return next((name for name in sorted(sent) if name in error.message), None)


class _Calls:
    """Tool calls that arrive in pieces, one after the other or mixed."""

    def __init__(self) -> None:
        self._calls: list[_CallPiece] = []  # in order of appearance, put together so far
        self._at: dict[int, int] = {}  # index on the wire → the newest call that has it

    def add(self, piece: _CallPiece) -> None:
        """Raises ValueError for a piece of nothing. Some servers give every call the index 0, or none: there a new id
        begins a new call."""
        index = piece.index or 0
        place = self._at.get(index)
        if place is None or (piece.id and piece.id != self._calls[place].id):
            place = self._at[index] = len(self._calls)
            self._calls.append(_CallPiece(id=piece.id or f"call_{place}", function=_Function("", "")))
        whole = self._calls[place].function
        if whole is None or piece.function is None:
            return
        whole.name = whole.name or piece.function.name  # some servers repeat it with every piece
        whole.arguments = f"{whole.arguments}{piece.function.arguments or ''}"
        if len(whole.arguments) > LONGEST_ARGUMENTS:
            raise ValueError("endless arguments")

    def whole(self) -> list[ToolCall]:
        """Raises ValueError when arguments are not a JSON object."""
        return [_tool_call(call) for call in self._calls]


def _tool_call(call: _CallPiece) -> ToolCall:
    assert call.function is not None
    arguments = msgspec.json.decode((call.function.arguments or "").strip() or "{}", type=dict[str, Any])
    return ToolCall(call.id or "", call.function.name or "", arguments)


def _message(message: Message) -> dict[str, Any]:
    """A message on the wire. One that was interrupted says what was heard of it, as the history has it."""
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
            }
            for call in message.tool_calls
        ]
        wire["content"] = message.content or None
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]
