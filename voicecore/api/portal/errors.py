"""Every failure as the document shows it: `error` with code, message and sentences by field, and `meta` beside it."""

from __future__ import annotations

import re

import msgspec

from pipelines.errors import (
    AuthenticationError,
    ConflictError,
    NotFound,
    PermissionDenied,
    ProtocolError,
    ValidationError,
    VoicecoreError,
)
from voicecore.api.kit import MethodNotAllowed, RateLimited, Rendered
from voicecore.api.portal.words import z
from voicecore.domain import instants

GIVEN_DATA = "The given data was invalid."
# A member that is there but empty is as good as missing: what is expected of it says so.
MISSING = ("required", "Expected str of length >= 1", "Expected array of length >= 1")


class ErrorBody(msgspec.Struct):
    code: str
    message: str
    details: dict[str, list[str]]


class ErrorMeta(msgspec.Struct):
    timestamp: str
    request_id: str


class ErrorResponse(msgspec.Struct):
    error: ErrorBody
    meta: ErrorMeta


# Document "Error Codes". What it has no code for is invalid input, or our own fault.
_CODES: tuple[tuple[type[VoicecoreError], str], ...] = (
    (AuthenticationError, "AUTHENTICATION_REQUIRED"),
    (PermissionDenied, "UNAUTHORIZED"),
    (NotFound, "NOT_FOUND"),
    (RateLimited, "RATE_LIMITED"),
)


# What the core says of a value → the document's manner of saying it; the first that fits.
_REASONS = (
    (r"not an e-mail address", "must be a valid email address"),
    (r"must have (\d+) to \d+ characters", r"must be at least \1 characters"),
    (r"Expected str of length >= (\d+)", r"must be at least \1 characters"),
    (r"Expected str of length <= (\d+)", r"may not be greater than \1 characters"),
    (r"Expected (?:int|float) >= (\S+)", r"must be at least \1"),
    (r"Expected (?:int|float) <= (\S+)", r"may not be greater than \1"),
    (r"Expected int,", "must be an integer"),
    (r"Expected (?:int \| )?float", "must be a number"),
    (r"Expected bool", "must be true or false"),
    (r"Expected str", "must be a string"),
    (r"Expected array", "must be an array"),
    (r"Expected object", "must be an object"),
    (r"Invalid enum value", "is invalid"),
)


def _code(error: VoicecoreError) -> str:
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return "VALIDATION_ERROR" if error.http_status < 500 else "SERVER_ERROR"


def _status(error: VoicecoreError) -> int:
    """The document's only status for what is wrong in a request is 422."""
    unnamed = isinstance(error, ConflictError | ProtocolError) and error.http_status in (400, 409)
    return 422 if unnamed or error.http_status == 415 else error.http_status


def render_error(error: VoicecoreError, request_id: str) -> Rendered:
    message, details = _capital(error.message), {}
    if isinstance(error, ValidationError) and error.fields:
        message, details = GIVEN_DATA, _details(error.fields)
    elif isinstance(error, MethodNotAllowed):
        message = "The method is not allowed for this path."
    body = ErrorBody(_code(error), message, details)
    return Rendered(_status(error), ErrorResponse(body, ErrorMeta(z(instants.now()), request_id)))


def _details(fields: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for field, reason in fields:
        found.setdefault(field, []).append(sentence(field, reason))
    return found


def sentence(field: str, reason: str) -> str:
    """ "The email field is required.", "The password must be at least 8 characters.": one for each (field, reason)."""
    name = field.replace("_", " ")
    if reason in MISSING or reason.endswith("got null"):
        return f"The {name} field is required."
    for pattern, text in _REASONS:
        if match := re.match(pattern, reason):
            return f"The {name} {match.expand(text)}."
    if reason.startswith(("must ", "has ", "may ", "is ")):
        return f"The {name} {reason}."
    return f"The {name} field is invalid: {reason}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
