"""The plain dialect of the native API: auth first, then audio, no marks."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio import TELEPHONE, AudioFormat, Codec
from pipelines.errors import AudioFormatError, ProtocolError
from voicecore.transports.messages import Audio, Authenticated, Dtmf, Ignored, Stopped
from voicecore.transports.plain import PlainDialect

AUTH = b'{"event":"auth","token":"jwt","agent_id":"dental","from":"+1","to":"+2"}'
MEDIA = b'{"event":"media","media":{"payload":"' + base64.b64encode(b"ab") + b'","timestamp":20}}'


def announced(encoding: str, rate_hz: object) -> bytes:
    wanted = {"encoding": encoding, "sampleRate": rate_hz}
    return json.dumps({"event": "auth", "token": "jwt", "media_format": wanted}).encode()


def test_every_message_of_a_client() -> None:
    dialect = PlainDialect()
    assert dialect.receive(AUTH) == Authenticated("jwt", "dental", TELEPHONE, "+1", "+2")
    assert dialect.receive(memoryview(MEDIA)) == Audio(b"ab", None)
    assert dialect.receive(b'{"event":"dtmf","dtmf":{"digit":"#"}}') == Dtmf("#")
    assert dialect.receive(b'{"event":"stop"}') == Stopped()
    assert dialect.receive(b'{"event":"start","start":{}}') == Ignored()


@pytest.mark.parametrize(
    ("encoding", "rate_hz", "taken"),
    [
        ("audio/x-mulaw", 8000, AudioFormat(Codec.ULAW, 8000)),
        ("audio/x-alaw", 8000, AudioFormat(Codec.ALAW, 8000)),
        ("audio/x-l16", 16000, AudioFormat(Codec.PCM16, 16000)),
    ],
)
def test_the_format_is_the_clients_choice(encoding: str, rate_hz: int, taken: AudioFormat) -> None:
    dialect = PlainDialect()
    message = dialect.receive(announced(encoding, rate_hz))
    assert isinstance(message, Authenticated)
    assert message.audio_format == dialect.outbound == taken


@pytest.mark.parametrize(("encoding", "rate_hz"), [("audio/opus", 8000), ("audio/x-l16", 44100), ("audio/x-l16", 0)])
def test_another_format_is_refused_and_the_next_try_counts(encoding: str, rate_hz: int) -> None:
    dialect = PlainDialect()
    with pytest.raises(AudioFormatError) as refused:
        dialect.receive(announced(encoding, rate_hz))
    assert refused.value.close_code == 1003
    assert dialect.outbound == TELEPHONE
    assert isinstance(dialect.receive(AUTH), Authenticated)


def test_a_second_auth_is_an_error_and_leaves_the_format_alone() -> None:
    dialect = PlainDialect()
    dialect.receive(AUTH)
    with pytest.raises(ProtocolError, match="second auth"):
        dialect.receive(announced("audio/x-l16", 16000))
    assert dialect.outbound == TELEPHONE


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b'{"event":"auth"}',
        b'{"event":"auth","token":7}',
        b'{"event":"auth","token":"t","media_format":{"sampleRate":"8000"}}',
        b'{"event":"media","media":{"payload":"?"}}',
        b'{"event":"dtmf","dtmf":{"digit":"E"}}',
        b'{"event":"media","media":' + b"[" * 60_000,
    ],
    ids=lambda message: repr(message[:40]),
)
def test_malformed_messages_are_protocol_errors_after_which_the_stream_goes_on(message: bytes) -> None:
    dialect = PlainDialect()
    with pytest.raises(ProtocolError):
        dialect.receive(message)
    assert dialect.receive(MEDIA) == Audio(b"ab", None)


keys = st.sampled_from(
    ["event", "token", "media", "payload", "media_format", "encoding", "sampleRate", "dtmf", "digit"]
)
values = st.recursive(
    st.sampled_from(["auth", "media", "dtmf", "stop", "AAAA", "audio/x-l16"]) | st.integers() | st.text() | st.none(),
    lambda inner: st.dictionaries(keys, inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()), max_size=8))
def test_nothing_but_typed_errors_comes_out_of_garbage(messages: list[bytes]) -> None:
    dialect = PlainDialect()
    for message in messages:
        try:
            dialect.receive(message)
        except (ProtocolError, AudioFormatError):
            pass
    assert dialect.receive(MEDIA) == Audio(b"ab", None)


def test_what_is_sent() -> None:
    dialect = PlainDialect()
    assert json.loads(dialect.audio(b"ab")) == {"event": "audio", "media": {"payload": "YWI="}}
    sent = [
        dialect.clear(),
        dialect.connected("c1"),
        dialect.transcript("agent", 'say "hi"'),
        dialect.error("x", "why"),
    ]
    assert [json.loads(message or b"") for message in sent] == [
        {"event": "clear"},
        {"event": "connected", "callSid": "c1"},
        {"event": "transcript", "role": "agent", "text": 'say "hi"'},
        {"event": "error", "code": "x", "message": "why"},
    ]
    assert not dialect.has_marks
    with pytest.raises(ProtocolError):
        dialect.mark("m")
