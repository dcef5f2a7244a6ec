"""The port to whoever carries our calls, and how it fails. Implementations are in `voicecore/carriers`.

What a carrier is to do with a call is said in TwiML, whichever it is.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from pipelines.errors import VoicecoreError


class NoCarrier(VoicecoreError):
    """Calls cannot be placed or handed on: nobody has configured a carrier."""

    code = "no_carrier"
    http_status = 503

    def __init__(self) -> None:
        super().__init__("no carrier is configured: set `carrier.kind` to twilio or simulated (docs/outbound.md)")


class CarrierError(VoicecoreError):
    """The carrier did not do what it was asked. `again`: nothing was done, and it may work later; `unknown`: it may
    have been done, for the answer was lost."""

    code = "carrier_failed"
    http_status = 503

    def __init__(self, message: str, *, again: bool = False, unknown: bool = False) -> None:
        super().__init__(message)
        self.again = again
        self.unknown = unknown


class NumberRefused(CarrierError):
    """The carrier knows that this number cannot be called, or not called from. `field` is `to_number` or
    `from_number`."""

    code = "number_refused"
    http_status = 422

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class CallUnknown(CarrierError):
    """It has no such call, or the call is over."""

    code = "carrier_call_unknown"
    http_status = 409


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """A telephone to ring. `answer_url` is asked for TwiML when somebody answers, unless there is `twiml` already;
    `status_url` is told how it goes."""

    to_number: str
    from_number: str
    sid: str = ""  # as `reserve` gave it
    answer_url: str = ""
    twiml: str = ""
    status_url: str = ""
    ring_s: int = 30


class Carrier(Protocol):
    """Every method may raise CarrierError; none waits longer than a request takes."""

    @property
    def name(self) -> str: ...

    @property
    def default_number(self) -> str:
        """To call from, where nobody has one; "": there is none."""
        ...

    @property
    def extensions(self) -> str:
        """How an extension is dialled where nothing is configured: a pattern with {extension}; "": it is not."""
        ...

    def reserve(self) -> str:
        """The sid that a call will have once it is dialled; "" where the carrier tells it only then."""
        ...

    async def dial(self, leg: Leg) -> str:
        """Begin to ring; returns the call's sid. Raises NumberRefused, too."""
        ...

    async def redirect(self, sid: str, twiml: str) -> None:
        """Do this with a running call from now on; a media stream of it ends. Raises CallUnknown, too."""
        ...

    async def hang_up(self, sid: str) -> None:
        """Also while it rings. Raises CallUnknown, too."""
        ...

    async def close(self) -> None: ...


class RunningCalls(Protocol):
    """The calls that are in conversation, whichever process of this server has them."""

    async def hang_up(self, call_id: str) -> bool:
        """End it after a closing sentence. False: nobody has it."""
        ...

    async def leaving(self, call_id: str, leaving: bool) -> bool:
        """Whether the agent is about to leave it to somebody else: its end is a transfer then. False: nobody has
        it."""
        ...

    def over(self, call_id: str) -> None:
        """A call ended without a conversation: whoever listens is told."""
        ...


class Gate(Protocol):
    draining: bool  # this process takes no calls any more; others may

    def check(self, organization_uid: str, *numbers: str) -> None:
        """May another call begin now? Raises Overloaded."""
        ...
