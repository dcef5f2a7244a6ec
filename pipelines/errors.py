"""One tree for everything that can go wrong, each class with a stable code. Its root is in `config/errors.py`.

Codes are part of the public contract: they stand in logs, in a call's events, in REST errors. The
message names the field, file or frame; it never carries secrets or a stack trace.
"""

from __future__ import annotations

from enum import StrEnum

from config.errors import ConfigError as ConfigError
from config.errors import VoicecoreError as VoicecoreError


class AudioFormatError(VoicecoreError):
    """Audio is not what was announced: codec, rate or alignment."""

    code = "audio_format"
    http_status = 415
    close_code = 1003  # RFC 6455: data of a type it cannot accept


class ProtocolError(VoicecoreError):
    """The peer broke the wire protocol. Not always fatal: the transport decides."""

    code = "protocol"
    http_status = 400
    close_code = 1002


class MessageTooLarge(ProtocolError):
    code = "message_too_large"
    http_status = 413
    close_code = 1009


class MediaTimeout(ProtocolError):
    """The peer owes something - a start, audio, room for ours - and did not give it in time."""

    code = "media_timeout"
    http_status = 408
    close_code = 1008


class RateLimited(VoicecoreError):
    """Too often within a window of time."""

    code = "rate_limited"
    http_status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too many requests")
        self.retry_after_s = retry_after_s


class AuthenticationError(VoicecoreError):
    code = "authentication"
    http_status = 401
    close_code = 1008


class PermissionDenied(VoicecoreError):
    code = "permission_denied"
    http_status = 403
    close_code = 1008


class NotFound(VoicecoreError):
    code = "not_found"
    http_status = 404
    close_code = 1008


class ValidationError(VoicecoreError):
    """Input refused. `fields` lists (field path, reason)."""

    code = "validation"
    http_status = 422

    def __init__(self, message: str, fields: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class ConflictError(VoicecoreError):
    """The thing exists already or the slot is taken."""

    code = "conflict"
    http_status = 409


class Overloaded(VoicecoreError):
    """Refused so that what already runs does not degrade."""

    code = "overloaded"
    http_status = 503
    close_code = 1013  # try again later


class Remedy(StrEnum):
    """What helps when a provider has failed."""

    RETRY = "retry"  # a connection that broke, a moment's trouble: ask again, here or elsewhere
    SWITCH = "switch"  # it cannot or may not, now or ever: ask another one
    STOP = "stop"  # the request itself is wrong: nobody will take it


class StageError(VoicecoreError):
    """A provider failed. `retry_after_s`: for so long it does not want to be asked, None: it did not say; `reported`:
    whether it is on the call's record already."""

    code = "stage_failed"
    http_status = 503

    def __init__(
        self,
        message: str,
        *,
        stage: str,
        provider: str,
        remedy: Remedy = Remedy.RETRY,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{stage}/{provider}: {message}")
        self.stage = stage
        self.provider = provider
        self.remedy = remedy
        self.retry_after_s = retry_after_s
        self.reported = False


class StageTimeout(StageError):
    code = "stage_timeout"


class KeyRefused(StageError):
    """The provider does not accept our key, or what it may do: nothing works until somebody changes that."""

    code = "stage_key_refused"


class EngineMissing(StageError):
    """An engine, its package or its model is not installed. The message says the next command."""

    code = "engine_missing"


class IllegalTransition(VoicecoreError):
    """A state machine was asked for a step that its state does not allow. Nothing was changed."""

    code = "illegal_transition"
