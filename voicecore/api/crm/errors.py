"""Every failure in the document's error response: its codes, and the first field that is wrong."""

from __future__ import annotations

import msgspec

from pipelines.errors import (
    AuthenticationError,
    NotFound,
    PermissionDenied,
    StageError,
    StageTimeout,
    ValidationError,
    VoicecoreError,
)
from voicecore.api.kit import MethodNotAllowed, NotAvailableYet, RateLimited, Rendered
from voicecore.services import customer_file

CONTEXT_REFUSED = "Invalid context for AI operation"
QUOTA_STATUS = "HTTP 429"  # how a provider's refusal begins when it is asked too much
REASONS = {customer_file.NO_EMAIL: "Invalid email format"}
TEXTS = {customer_file.MISSING: "Contact not found"}
# What the document has no status for is a bad request there.
STATUSES = {409: 400, 415: 400, 422: 400}
_CODES: tuple[tuple[type[VoicecoreError], str], ...] = (
    (AuthenticationError, "AUTHENTICATION_FAILED"),
    (PermissionDenied, "AUTHORIZATION_FAILED"),
    (NotFound, "RESOURCE_NOT_FOUND"),
    (MethodNotAllowed, "VALIDATION_ERROR"),
    (RateLimited, "RATE_LIMIT_EXCEEDED"),
    (NotAvailableYet, "NOT_AVAILABLE_YET"),
)


class InvalidContext(ValidationError):
    """The document's AI_INVALID_CONTEXT."""

    def __init__(self, reason: str) -> None:
        super().__init__(CONTEXT_REFUSED, (("context", reason),))


class ErrorDetails(msgspec.Struct, omit_defaults=True):
    """Empty where no one field is to blame."""

    field: str = ""
    reason: str = ""


class ErrorBody(msgspec.Struct):
    code: str
    message: str
    details: ErrorDetails


class ErrorResponse(msgspec.Struct):
    success: bool
    error: ErrorBody


def render_error(error: VoicecoreError, request_id: str) -> Rendered:
    """The request's id is in the headers."""
    status, code = _verdict(error)
    details = ErrorDetails()
    if isinstance(error, ValidationError) and error.fields:
        field, reason = error.fields[0]
        details = ErrorDetails(field, REASONS.get(reason, reason))
    text = TEXTS.get(error.message, error.message)
    return Rendered(status, ErrorResponse(False, ErrorBody(code, text[:1].upper() + text[1:], details)))


def _verdict(error: VoicecoreError) -> tuple[int, str]:
    if isinstance(error, InvalidContext):
        return 400, "AI_INVALID_CONTEXT"
    if isinstance(error, StageTimeout):
        return 504, "AI_PROCESSING_TIMEOUT"
    if isinstance(error, StageError):
        return (429, "AI_QUOTA_EXCEEDED") if QUOTA_STATUS in error.message else (503, "AI_SERVICE_UNAVAILABLE")
    status = STATUSES.get(error.http_status, error.http_status)
    for kind, code in _CODES:
        if isinstance(error, kind):
            return status, code
    if status == 503:
        return status, "SERVICE_UNAVAILABLE"
    return status, "VALIDATION_ERROR" if status < 500 else "INTERNAL_ERROR"
