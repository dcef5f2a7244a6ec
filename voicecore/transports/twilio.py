"""Twilio Media Streams, bidirectional: https://www.twilio.com/docs/voice/media-streams/websocket-messages.

A sans-I/O codec.
"""

from __future__ import annotations

from binascii import b2a_base64

import msgspec

from pipelines.audio import TELEPHONE
from pipelines.errors import ProtocolError
from voicecore.transports import twilio_messages as wire
from voicecore.transports.messages import (
    Audio,
    Dtmf,
    Ignored,
    Inbound,
    MarkReturned,
    Opened,
    Started,
    Stopped,
)

_decode = msgspec.json.Decoder(wire.Connected | wire.Start | wire.Media | wire.Mark | wire.Dtmf | wire.Stop).decode
# Deep nesting in a member that we skip exhausts the decoder's stack: as malformed as the rest.
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode_any = msgspec.json.Decoder(wire.AnyEvent).decode
_KNOWN = frozenset({"connected", "start", "media", "mark", "dtmf", "stop"})
LONGEST_ID = 256


class TwilioDialect:
    """One stream's codec; knows its streamSid once it started."""

    has_marks = True
    close_ends_call = True
    outbound = TELEPHONE

    def __init__(self) -> None:
        self._media_head = self._mark_head = self._clear = b""
        self._started = False

    def receive(self, message: bytes | memoryview) -> Inbound:
        """Decode one text message. Raises ProtocolError (not JSON, wrong member)."""
        try:
            parsed = _decode(message)
        except _MALFORMED as error:
            return self._unknown(message, error)
        if type(parsed) is wire.Media:
            media = parsed.media
            if media.track != "inbound":
                return Ignored()
            return Audio(media.payload, _number(media.chunk, "media.chunk"))
        if type(parsed) is wire.Mark:
            return MarkReturned(parsed.mark.name)
        if type(parsed) is wire.Start:
            return self._start(parsed)
        if type(parsed) is wire.Dtmf:
            if parsed.dtmf.digit not in "0123456789*#ABCD" or len(parsed.dtmf.digit) != 1:
                raise ProtocolError("dtmf.digit is not one of 0-9 * # A-D")
            return Dtmf(parsed.dtmf.digit)
        return Stopped() if type(parsed) is wire.Stop else Opened()

    def _unknown(self, message: bytes | memoryview, error: Exception) -> Inbound:
        try:
            event = _decode_any(message).event
        except _MALFORMED:
            raise ProtocolError(f"not a message of this protocol: {error}") from error
        if event in _KNOWN:
            raise ProtocolError(f'"{event}" message: {error}') from error
        return Ignored()

    def _start(self, message: wire.Start) -> Started:
        body = message.start
        if self._started:
            raise ProtocolError("a second start message on one stream")
        stream_sid = message.stream_sid or body.stream_sid
        if not stream_sid or not body.call_sid:
            raise ProtocolError("start message without streamSid or callSid")
        if len(stream_sid) > LONGEST_ID or len(body.call_sid) > LONGEST_ID:
            raise ProtocolError(f"start message with an id longer than {LONGEST_ID} characters")
        unsupported = _unsupported(body.media_format)
        self._started = True
        sid = msgspec.json.encode(stream_sid)
        self._media_head = b'{"event":"media","streamSid":' + sid + b',"media":{"payload":"'
        self._mark_head = b'{"event":"mark","streamSid":' + sid + b',"mark":{"name":'
        self._clear = b'{"event":"clear","streamSid":' + sid + b"}"
        return Started(body.call_sid, body.account_sid, body.custom_parameters, unsupported)

    def audio(self, payload: bytes) -> bytes:
        return self._media_head + b2a_base64(payload, newline=False) + b'"}}'

    def mark(self, name: str) -> bytes:
        return self._mark_head + msgspec.json.encode(name) + b"}}"

    def clear(self) -> bytes | None:
        return self._clear

    def connected(self, call_sid: str) -> bytes | None:
        return None

    def transcript(self, role: str, text: str) -> bytes | None:
        return None

    def error(self, code: str, message: str) -> bytes | None:
        return None


def _number(value: wire.Number | None, field: str) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError as error:
        raise ProtocolError(f"{field} is not a number") from error


def _unsupported(announced: wire.MediaFormat) -> str:
    rate, channels = _number(announced.sample_rate, "sampleRate"), _number(announced.channels, "channels")
    if announced.encoding == "audio/x-mulaw" and rate == 8000 and channels == 1:
        return ""
    return (
        f"start.mediaFormat is {announced.encoding[:40]!r}, {str(announced.sample_rate)[:20]} Hz, "
        f"{str(announced.channels)[:20]} channel(s); "
        "this dialect carries audio/x-mulaw, 8000 Hz, 1 channel"
    )
