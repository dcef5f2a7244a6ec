"""Every failure as the document shows it: one sentence, `{"error": "..."}`, and the few statuses that it knows."""

from __future__ import annotations

import msgspec

from pipelines.errors import AuthenticationError, ValidationError, VoicecoreError
from voicecore.api.kit import Rendered
from voicecore.api.parsing import INVALID
from voicecore.services import accounts, businesses

CREDENTIALS = {"email", "password"}
# The document's own sentences, and its words for what the core calls otherwise.
CREDENTIALS_REQUIRED = "Email and password required"
BAD_TOKEN = "Invalid or expired token"
TEXTS = {businesses.MISSING: "Client not found"}
# What the document has no status for is a bad request there.
STATUSES = {409: 400, 415: 400, 422: 400}


class ErrorResponse(msgspec.Struct):
    error: str


def render_error(error: VoicecoreError, request_id: str) -> Rendered:
    """The request's id is in the headers."""
    return Rendered(STATUSES.get(error.http_status, error.http_status), ErrorResponse(_sentence(error)))


def _sentence(error: VoicecoreError) -> str:
    if isinstance(error, AuthenticationError) and error.message != accounts.REFUSED:
        return BAD_TOKEN
    if isinstance(error, ValidationError) and error.message == INVALID and error.fields:
        if any(field in CREDENTIALS for field, _ in error.fields):
            return CREDENTIALS_REQUIRED
        field, reason = error.fields[0]
        return f"{field} {reason}" if reason.startswith(("must", "required")) else f"{field}: {reason}"
    text = TEXTS.get(error.message, error.message)
    return text[:1].upper() + text[1:]
