"""The root of the error tree, and what can be wrong with a setting. Everything else that can go wrong
stands in `pipelines/errors.py`.

Codes are part of the public contract: they stand in logs, in a call's events, in REST errors. The
message names the field, file or frame; it never carries secrets or a stack trace.
"""

from __future__ import annotations

from typing import ClassVar


class VoicecoreError(Exception):
    """Root of the tree. `code` is stable; `http_status` and `close_code` say how it leaves the house."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    close_code: ClassVar[int] = 1011  # RFC 6455 §7.4.1: unexpected condition

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigError(VoicecoreError):
    """A setting is wrong. Names file, key and reason."""

    code = "config_invalid"
    http_status = 422

    def __init__(self, reason: str, *, source: str, key: str = "") -> None:
        where = f"{source}: {key}" if key else source
        super().__init__(f"{where}: {reason}")
        self.source = source
        self.key = key
        self.reason = reason
