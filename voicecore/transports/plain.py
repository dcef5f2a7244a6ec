"""The plain WebSocket of the native API, `/ws/media/{call_sid}`: JSON text, audio in base64.

The first frame authenticates: {"event": "auth", "token": JWT}; it may also name `agent_id`, `from`, `to` and
`media_format` {"encoding": "audio/x-mulaw" | "audio/x-alaw" | "audio/x-l16", "sampleRate": 8000 | 16000}.
Then {"event": "media", "media": {"payload": …, "timestamp": ms}} in, and audio, transcript, clear and
error out. There are no marks.
"""

from __future__ import annotations

from binascii import b2a_base64

import msgspec

from pipelines.audio import TELEPHONE, AudioFormat, Codec
from pipelines.errors import AudioFormatError, ProtocolError
from voicecore.transports.messages import Audio, Authenticated, Dtmf, Ignored, Inbound, Stopped

_ENCODINGS = {"audio/x-mulaw": Codec.ULAW, "audio/x-alaw": Codec.ALAW, "audio/x-l16": Codec.PCM16}
_RATES = (8000, 16000)


class _MediaFormat(msgspec.Struct):
    encoding: str = "audio/x-mulaw"
    sample_rate: int = msgspec.field(default=8000, name="sampleRate")


class _Auth(msgspec.Struct, tag_field="event", tag="auth"):
    token: str
    agent_id: str = ""
    media_format: _MediaFormat = msgspec.field(default_factory=_MediaFormat)
    caller: str = msgspec.field(default="", name="from")
    called: str = msgspec.field(default="", name="to")


class _MediaBody(msgspec.Struct, gc=False):
    payload: bytes


class _Media(msgspec.Struct, tag_field="event", tag="media", gc=False):
    media: _MediaBody


class _DtmfBody(msgspec.Struct):
    digit: str


class _Dtmf(msgspec.Struct, tag_field="event", tag="dtmf"):
    dtmf: _DtmfBody


class _Stop(msgspec.Struct, tag_field="event", tag="stop"):
    pass


class _AnyEvent(msgspec.Struct):
    event: str


_decode = msgspec.json.Decoder(_Auth | _Media | _Dtmf | _Stop).decode
# Deep nesting in a member that we skip exhausts the decoder's stack: as malformed as the rest.
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode_any = msgspec.json.Decoder(_AnyEvent).decode
_KNOWN = frozenset({"auth", "media", "dtmf", "stop"})


class PlainDialect:
    """One connection's codec. What comes before a valid `auth` is for the gateway to refuse."""

    has_marks = False
    close_ends_call = True

    def __init__(self) -> None:
        self.outbound = TELEPHONE
        self._authenticated = False

    def receive(self, message: bytes | memoryview) -> Inbound:
        """Decode one text message. Raises ProtocolError or AudioFormatError."""
        try:
            parsed = _decode(message)
        except _MALFORMED as error:
            return self._unknown(message, error)
        if type(parsed) is _Media:
            return Audio(parsed.media.payload, None)
        if type(parsed) is _Auth:
            if self._authenticated:
                raise ProtocolError("a second auth message on one connection")
            self.outbound = _format(parsed.media_format)
            self._authenticated = True
            return Authenticated(parsed.token, parsed.agent_id, self.outbound, parsed.caller, parsed.called)
        if type(parsed) is _Dtmf:
            if parsed.dtmf.digit not in "0123456789*#ABCD" or len(parsed.dtmf.digit) != 1:
                raise ProtocolError("dtmf.digit is not one of 0-9 * # A-D")
            return Dtmf(parsed.dtmf.digit)
        return Stopped()

    def _unknown(self, message: bytes | memoryview, error: Exception) -> Inbound:
        try:
            event = _decode_any(message).event
        except _MALFORMED:
            raise ProtocolError(f"not a message of this protocol: {error}") from error
        if event in _KNOWN:
            raise ProtocolError(f'"{event}" message: {error}') from error
        return Ignored()

    def audio(self, payload: bytes) -> bytes:
        return b'{"event":"audio","media":{"payload":"' + b2a_base64(payload, newline=False) + b'"}}'

    def mark(self, name: str) -> bytes:
        raise ProtocolError("this dialect has no marks")

    def clear(self) -> bytes | None:
        return b'{"event":"clear"}'

    def connected(self, call_sid: str) -> bytes | None:
        return msgspec.json.encode({"event": "connected", "callSid": call_sid})

    def transcript(self, role: str, text: str) -> bytes | None:
        return msgspec.json.encode({"event": "transcript", "role": role, "text": text})

    def error(self, code: str, message: str) -> bytes | None:
        return msgspec.json.encode({"event": "error", "code": code, "message": message})


def _format(announced: _MediaFormat) -> AudioFormat:
    codec = _ENCODINGS.get(announced.encoding)
    if codec is None or announced.sample_rate not in _RATES:
        raise AudioFormatError(
            f"media_format {announced.encoding[:40]!r} at {announced.sample_rate} Hz; "
            f"there are {', '.join(_ENCODINGS)} at 8000 or 16000 Hz"
        )
    return AudioFormat(codec, announced.sample_rate)
