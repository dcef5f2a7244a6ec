"""Every failure in the document's standard error response."""

from __future__ import annotations

import msgspec

from pipelines.errors import (
    AuthenticationError,
    ConfigError,
    NotFound,
    Overloaded,
    PermissionDenied,
    StageError,
    ValidationError,
    VoicecoreError,
)
from voicecore.api.kit import MethodNotAllowed, NotAvailableYet, RateLimited, Rendered
from voicecore.api.vocaliq.words import z
from voicecore.domain import instants
from voicecore.services.carrier import CarrierError, NoCarrier


class ErrorDetail(msgspec.Struct):
    field: str
    message: str


class ErrorBody(msgspec.Struct):
    code: str
    message: str
    details: list[ErrorDetail] = []


class ErrorResponse(msgspec.Struct):
    error: ErrorBody
    request_id: str
    timestamp: str


_CODES: tuple[tuple[type[VoicecoreError], str], ...] = (
    (AuthenticationError, "AUTHENTICATION_ERROR"),
    (PermissionDenied, "AUTHORIZATION_ERROR"),
    (NotFound, "NOT_FOUND"),
    (MethodNotAllowed, "VALIDATION_ERROR"),
    (RateLimited, "RATE_LIMIT_ERROR"),
    (Overloaded, "SERVICE_UNAVAILABLE"),
    (NotAvailableYet, "SERVICE_UNAVAILABLE"),
    (NoCarrier, "SERVICE_UNAVAILABLE"),
    (CarrierError, "SERVICE_UNAVAILABLE"),
    (StageError, "SERVICE_UNAVAILABLE"),
)


def _code(error: VoicecoreError) -> str:
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return "VALIDATION_ERROR" if error.http_status < 500 else "INTERNAL_ERROR"


def render_error(error: VoicecoreError, request_id: str) -> Rendered:
    details: list[ErrorDetail] = []
    if isinstance(error, ValidationError):
        details = [ErrorDetail(field, reason) for field, reason in error.fields]
    elif isinstance(error, ConfigError):
        details = [ErrorDetail(error.key, error.reason)]
    body = ErrorBody(_code(error), error.message, details)
    return Rendered(error.http_status, ErrorResponse(body, request_id, z(instants.now())))
