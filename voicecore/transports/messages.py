"""What every dialect's messages mean to the gateway, and what the gateway may say in any dialect.

A dialect is sans-I/O: bytes in → one of these, calls out → bytes. It refuses to know sockets and calls.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from pipelines.audio import AudioFormat


class Opened(msgspec.Struct, frozen=True):
    """The peer's greeting; nothing to do."""


class Authenticated(msgspec.Struct, frozen=True):
    """A first frame that carries a token, and what the client asks for with it."""

    token: str
    agent_id: str
    audio_format: AudioFormat
    from_number: str
    to_number: str


class Started(msgspec.Struct, frozen=True):
    call_sid: str
    account_sid: str
    parameters: dict[str, str]
    unsupported: str = ""  # why the announced audio cannot be taken; "" when it can


class Audio(msgspec.Struct, frozen=True, gc=False):
    payload: bytes
    chunk: int | None  # the peer's own count of messages, from 1; None where it has none


class MarkReturned(msgspec.Struct, frozen=True):
    name: str


class Dtmf(msgspec.Struct, frozen=True):
    digit: str


class Stopped(msgspec.Struct, frozen=True):
    pass


class Ignored(msgspec.Struct, frozen=True):
    """Well-formed, and of no interest: an event we do not know, another track's audio."""


Inbound = Opened | Authenticated | Started | Audio | MarkReturned | Dtmf | Stopped | Ignored


class Dialect(Protocol):
    """One connection's codec. `receive` raises ProtocolError or AudioFormatError and stays usable."""

    has_marks: bool
    close_ends_call: bool

    @property
    def outbound(self) -> AudioFormat: ...

    def receive(self, message: bytes | memoryview) -> Inbound: ...

    def audio(self, payload: bytes) -> bytes: ...

    def mark(self, name: str) -> bytes: ...

    def clear(self) -> bytes | None:
        """None: the dialect has no such message."""
        ...

    def connected(self, call_sid: str) -> bytes | None: ...

    def transcript(self, role: str, text: str) -> bytes | None: ...

    def error(self, code: str, message: str) -> bytes | None: ...
