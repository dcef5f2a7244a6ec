"""Bytes and query strings into the structs that a route announces, or a ValidationError naming every field."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import BadHttpMessage

from pipelines.errors import MessageTooLarge, ProtocolError, ValidationError
from voicecore.api.kit import BODY_LIMIT
from voicecore.services.fieldpaths import field_error

S = TypeVar("S", bound=msgspec.Struct)
INVALID = "Invalid input data"
BODY_TIMEOUT_S = 30.0  # a body that trickles in holds no connection for longer
FORM_TIMEOUT_S = 120.0  # files are larger


async def read_body(request: web.Request) -> bytes:
    """At most BODY_LIMIT bytes, within BODY_TIMEOUT_S. Raises MessageTooLarge, ProtocolError."""
    if (request.content_length or 0) > BODY_LIMIT:
        raise MessageTooLarge("request body too large")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise MessageTooLarge("request body too large") from error
    except TimeoutError as error:
        raise ProtocolError("the request body did not arrive in time") from error
    if len(body) > BODY_LIMIT:
        raise MessageTooLarge("request body too large")
    return body


async def read_form(request: web.Request, limit: int) -> dict[str, bytes]:
    """The parts of a multipart body by name, at most `limit` bytes together, within FORM_TIMEOUT_S. Raises
    ValidationError, MessageTooLarge, ProtocolError."""
    if (request.content_length or 0) > limit:
        raise MessageTooLarge("request body too large")
    try:
        async with asyncio.timeout(FORM_TIMEOUT_S):
            return await _parts(request, limit)
    except TimeoutError as error:
        raise ProtocolError("the request body did not arrive in time") from error
    except (ValueError, AssertionError, RuntimeError, BadHttpMessage) as error:
        raise ValidationError("malformed form", (("body", "must be multipart/form-data"),)) from error


async def _parts(request: web.Request, left: int) -> dict[str, bytes]:
    if hdrs.CONTENT_TYPE not in request.headers:
        raise ValueError("no content type")
    parts: dict[str, bytes] = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or not part.name:
            continue
        if hdrs.CONTENT_ENCODING in part.headers:  # no part of RFC 7578, and what would come out has no bounds
            raise ValueError("a compressed part")
        content = bytearray()
        while chunk := await part.read_chunk():
            left -= len(chunk)
            if left < 0:
                raise MessageTooLarge("request body too large")
            content += chunk
        parts[part.name] = bytes(part.decode(content))
    return parts


def parse_body(raw: bytes, kind: type[S]) -> tuple[S, frozenset[str]]:
    """The struct and the members that were sent. Raises ValidationError."""
    try:
        members = msgspec.json.decode(raw or b"{}")  # who sends nothing leaves everything out
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValidationError("malformed JSON", (("body", "not valid JSON"),)) from error
    if not isinstance(members, dict):
        raise ValidationError(INVALID, (("body", "must be an object"),))
    made = _convert(members, kind, strict=True)
    if b"\\u0000" in raw and _has_nul(msgspec.to_builtins(made, str_keys=True)):  # what nobody reads may be anything
        raise ValidationError(INVALID, (("body", "must not contain the character NUL"),))
    return made, frozenset(members)


def parse_query(given: Mapping[str, str], kind: type[S]) -> S:
    """Empty parameters count as left out, unknown ones are ignored. Raises ValidationError."""
    members = {name: value for name, value in given.items() if value != ""}
    if any("\x00" in value for value in members.values()):
        raise ValidationError(INVALID, (("query", "must not contain the character NUL"),))
    return _convert(members, kind, strict=False)


_fields = functools.cache(msgspec.structs.fields)


def _convert(members: dict[str, Any], kind: type[S], *, strict: bool) -> S:
    problems: list[tuple[str, str]] = []
    for field in _fields(kind):
        name = field.encode_name
        if name not in members:
            if field.required:
                problems.append((name, "required"))
            continue
        try:
            msgspec.convert(members[name], field.type, strict=strict)
        except msgspec.ValidationError as error:
            problems.append(field_error(error, name))
    if problems:
        raise ValidationError(INVALID, tuple(problems))
    try:
        return msgspec.convert(members, kind, strict=strict)
    except msgspec.ValidationError as error:  # what only the whole can tell
        raise ValidationError(INVALID, (field_error(error),)) from error


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)
