"""What OpenAI's HTTP interface takes, and how it says no: a request's mistake is an answer of status 400."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

CHAT = {"messages", "model", "stream", "stream_options", "tools", "tool_choice", "temperature", "top_p", "max_tokens"}
CHAT |= {"max_completion_tokens", "reasoning_effort", "parallel_tool_calls", "service_tier", "seed", "stop", "store"}
SPEECH = {"model", "input", "voice", "response_format", "speed", "instructions", "stream_format"}
TRANSCRIPTION = {"file", "model", "language", "languages[]", "keywords[]", "prompt", "response_format", "temperature"}
WITH_KEYWORDS = ("gpt-transcribe", "gpt-live-transcribe")  # `languages`, not `language`


def chat_mistake(body: Mapping[str, Any], refuses: set[str], named: bool) -> web.Response | None:
    for name in body:
        if name not in CHAT:
            return error(400, f"Unrecognized request argument supplied: {name}", code="unknown_parameter")
        if name in refuses:
            message = f"Unsupported value: '{name}' does not support {body[name]} with this model."
            return error(400, message, param=name if named else None, code="unsupported_value")
    if not isinstance(body.get("model"), str) or not body["model"]:
        return error(400, "you must provide a model parameter")
    if body.get("tools") and body.get("reasoning_effort", "none") != "none":
        return error(400, "Function tools with reasoning_effort are not supported", param="reasoning_effort")
    if not body.get("messages"):
        return error(400, "[] is too short - 'messages'", param="messages")
    return message_mistake(body["messages"])


def message_mistake(messages: Sequence[Mapping[str, Any]]) -> web.Response | None:
    """Every call wants its result at once, every result its call."""
    open_calls: set[str] = set()
    for number, message in enumerate(messages):
        place = f"messages.[{number}]"
        role = message.get("role")
        if role not in ("system", "developer", "user", "assistant", "tool"):
            return error(400, f"Invalid value: '{role}'.", param=f"{place}.role", code="invalid_value")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                return error(400, "messages with role 'tool' must follow one with 'tool_calls'.", param=place)
            open_calls.remove(str(message["tool_call_id"]))
            continue
        if open_calls:
            return error(400, "An assistant message with 'tool_calls' must be followed by tool messages", param=place)
        calls = message.get("tool_calls") or []
        if not isinstance(message.get("content"), str) and not calls:
            return error(400, "Invalid value for 'content': expected a string, got null.", param=f"{place}.content")
        if any(not isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls):
            return error(400, "Invalid 'arguments'", param=place)
        open_calls |= {call["id"] for call in calls}
    return None


def transcription_mistake(form: Mapping[str, Any]) -> web.Response | None:
    for name in form:
        if name not in TRANSCRIPTION:
            return error(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    if not isinstance(form.get("file"), web.FileField) or not form.get("model"):
        return error(400, "file and model are required")
    hinted = {"languages[]", "keywords[]"} if not str(form["model"]).startswith(WITH_KEYWORDS) else {"language"}
    for name in hinted & set(form):
        return error(400, f"'{name}' is not supported by {form['model']}", param=name, code="unsupported_parameter")
    return None


def speech_mistake(body: Mapping[str, Any]) -> web.Response | None:
    for name in body:
        if name not in SPEECH:
            return error(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    valid: dict[str, Callable[[Any], bool]] = {
        "input": lambda text: isinstance(text, str) and 0 < len(text) <= 4096,
        "model": lambda model: isinstance(model, str) and bool(model),
        "voice": lambda voice: isinstance(voice, str) and bool(voice),
        "response_format": lambda name: name == "pcm",
        "speed": lambda speed: 0.25 <= speed <= 4.0,
    }
    for name, is_valid in valid.items():
        if not is_valid(body.get(name, 1.0 if name == "speed" else None)):
            return error(400, f"Invalid '{name}'.", param=name, code="invalid_value")
    return None


def error(status: int, message: str, *, param: str | None = None, code: str | None = None) -> web.Response:
    kind = "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return web.json_response(body, status=status)
