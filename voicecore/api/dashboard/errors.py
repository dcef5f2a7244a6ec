"""Every failure as the document shows it: `{"error": "..."}`, one sentence, and the few statuses that it knows."""

from __future__ import annotations

import msgspec

from pipelines.errors import StageError, ValidationError, VoicecoreError
from voicecore.api.kit import Rendered
from voicecore.api.parsing import INVALID
from voicecore.services import accounts

# The document's words for what the core calls otherwise.
TEXTS = {
    "bearer token required": "Invalid or expired token",
    accounts.REFUSED: "Invalid email or password",
    "agent not found": "Assistant not found",
    "organization not found": "Workspace not found",
    "not permitted": "Insufficient permissions",
}
# What the document has no status for is a bad request there.
STATUSES = {409: 400, 415: 400, 422: 400}
STAGE_STATUS = 500  # an engine that fails is our failure; the document's last status


class ErrorResponse(msgspec.Struct):
    error: str


def render_error(error: VoicecoreError, request_id: str) -> Rendered:
    """The request's id is in the headers."""
    status = STAGE_STATUS if isinstance(error, StageError) else STATUSES.get(error.http_status, error.http_status)
    return Rendered(status, ErrorResponse(_sentence(error)))


def _sentence(error: VoicecoreError) -> str:
    if isinstance(error, StageError):
        return f"An engine failed: {error.message}"
    if isinstance(error, ValidationError) and error.message == INVALID and error.fields:
        field, reason = error.fields[0]
        if reason == "required":
            return f"{field} is required"
        return f"{field} {reason}" if reason.startswith("must") else f"{field}: {reason}"
    text = TEXTS.get(error.message, error.message)
    # A member keeps its own name: "targetLanguage must name a language".
    return text[:1].upper() + text[1:] if text.partition(" ")[0].islower() else text
