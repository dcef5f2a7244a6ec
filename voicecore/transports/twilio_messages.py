"""What Twilio sends: https://www.twilio.com/docs/voice/media-streams/websocket-messages.

All of its numbers are strings; integers are taken as well, since other senders of this dialect use them.
"""

from __future__ import annotations

import msgspec

Number = str | int


class MediaFormat(msgspec.Struct):
    encoding: str = "audio/x-mulaw"
    sample_rate: Number = msgspec.field(default=8000, name="sampleRate")
    channels: Number = 1


class StartBody(msgspec.Struct):
    call_sid: str = msgspec.field(default="", name="callSid")
    account_sid: str = msgspec.field(default="", name="accountSid")
    stream_sid: str = msgspec.field(default="", name="streamSid")
    media_format: MediaFormat = msgspec.field(default_factory=MediaFormat, name="mediaFormat")
    custom_parameters: dict[str, str] = msgspec.field(default_factory=dict, name="customParameters")


class MediaBody(msgspec.Struct, gc=False):
    payload: bytes
    chunk: Number | None = None
    track: str = "inbound"


class MarkBody(msgspec.Struct, gc=False):
    name: str


class DtmfBody(msgspec.Struct):
    digit: str


class Connected(msgspec.Struct, tag_field="event", tag="connected"):
    pass


class Start(msgspec.Struct, tag_field="event", tag="start"):
    start: StartBody
    stream_sid: str = msgspec.field(default="", name="streamSid")


class Media(msgspec.Struct, tag_field="event", tag="media", gc=False):
    media: MediaBody


class Mark(msgspec.Struct, tag_field="event", tag="mark", gc=False):
    mark: MarkBody


class Dtmf(msgspec.Struct, tag_field="event", tag="dtmf"):
    dtmf: DtmfBody


class Stop(msgspec.Struct, tag_field="event", tag="stop"):
    pass


class AnyEvent(msgspec.Struct):
    event: str
