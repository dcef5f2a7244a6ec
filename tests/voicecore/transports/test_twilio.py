"""Twilio's messages, byte for byte, and everything that is none of them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio import TELEPHONE
from pipelines.errors import ProtocolError
from voicecore.transports.messages import (
    Audio,
    Dtmf,
    Ignored,
    MarkReturned,
    Opened,
    Started,
    Stopped,
)
from voicecore.transports.twilio import TwilioDialect

FRAME = bytes(range(160))
PAYLOAD = base64.b64encode(FRAME).decode()
CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
MARK = '{"event":"mark","sequenceNumber":"4","streamSid":"MZ1","mark":{"name":"g3:1240"}}'
DTMF = '{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"5","dtmf":{"track":"inbound_track","digit":"1"}}'
STOP = '{"event":"stop","sequenceNumber":"5","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}'


def start(**changes: Any) -> bytes:
    body: dict[str, Any] = {
        "streamSid": "MZ1",
        "accountSid": "AC1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"agent": "dental"},
    }
    body = {name: value for name, value in {**body, **changes}.items() if value is not None}
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": body}).encode()


def media(**changes: Any) -> bytes:
    body = {"track": "inbound", "chunk": "2", "timestamp": "5", "payload": PAYLOAD, **changes}
    return json.dumps({"event": "media", "sequenceNumber": "3", "streamSid": "MZ1", "media": body}).encode()


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        (CONNECTED, Opened()),
        (start().decode(), Started("CA1", "AC1", {"agent": "dental"})),
        (media().decode(), Audio(FRAME, 2)),
        (MARK, MarkReturned("g3:1240")),
        (DTMF, Dtmf("1")),
        (STOP, Stopped()),
    ],
)
def test_every_message_of_a_carrier(message: str, meaning: object) -> None:
    assert TwilioDialect().receive(message.encode()) == meaning
    assert TwilioDialect().receive(memoryview(message.encode())) == meaning


def test_numbers_come_as_strings_and_as_integers() -> None:
    dialect = TwilioDialect()
    assert dialect.receive(media(chunk=7, timestamp=120)) == Audio(FRAME, 7)
    assert dialect.receive(media(chunk="7", timestamp="120")) == Audio(FRAME, 7)
    words = {"encoding": "audio/x-mulaw", "sampleRate": "8000", "channels": "1"}
    assert dialect.receive(start(mediaFormat=words)) == Started("CA1", "AC1", {"agent": "dental"})
    with pytest.raises(ProtocolError, match="chunk"):
        dialect.receive(media(chunk="seven"))


def test_a_start_without_parameters_or_format_is_mu_law_for_nobody_in_particular() -> None:
    assert TwilioDialect().receive(start(customParameters=None, mediaFormat=None)) == Started("CA1", "AC1", {})


def test_the_stream_sid_may_stand_inside() -> None:
    inside = json.dumps({"event": "start", "start": {"streamSid": "MZ7", "callSid": "CA7"}}).encode()
    dialect = TwilioDialect()
    dialect.receive(inside)
    assert json.loads(dialect.mark("m")) == {"event": "mark", "streamSid": "MZ7", "mark": {"name": "m"}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"callSid": None}, "without streamSid or callSid"),
        ({"callSid": "C" * 257}, "longer than"),
        ({"mediaFormat": {"sampleRate": "fast"}}, "sampleRate"),
        ({"mediaFormat": {"sampleRate": 8000.5}}, "sampleRate"),
        ({"customParameters": {"agent": 7}}, "customParameters"),
        ({"callSid": 7}, "callSid"),
    ],
)
def test_a_wrong_start_is_refused_and_a_right_one_is_still_taken(changes: dict[str, Any], reason: str) -> None:
    dialect = TwilioDialect()
    with pytest.raises(ProtocolError, match=reason):
        dialect.receive(start(**changes))
    assert isinstance(dialect.receive(start()), Started)


@pytest.mark.parametrize(
    "announced",
    [
        {"encoding": "audio/x-alaw", "sampleRate": 8000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": "16000", "channels": "1"},
        {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2},
        {"encoding": "audio/" + "x" * 9000, "sampleRate": "9" * 4000, "channels": "1"},
    ],
)
def test_another_format_starts_and_says_what_is_wrong(announced: dict[str, Any]) -> None:
    started = TwilioDialect().receive(start(mediaFormat=announced))
    assert isinstance(started, Started)
    assert "this dialect carries audio/x-mulaw, 8000 Hz, 1 channel" in started.unsupported
    assert len(started.unsupported) < 250


def test_a_second_start_is_an_error_and_changes_nothing() -> None:
    dialect = TwilioDialect()
    dialect.receive(start())
    before = dialect.mark("m")
    with pytest.raises(ProtocolError, match="second start"):
        dialect.receive(start(callSid="CA2").replace(b"MZ1", b"MZ2"))
    assert dialect.mark("m") == before
    assert dialect.receive(media()) == Audio(FRAME, 2)


def test_another_track_and_unknown_events_are_nobodys_business() -> None:
    dialect = TwilioDialect()
    assert dialect.receive(media(track="outbound")) == Ignored()
    assert dialect.receive(b'{"event":"hologram","depth":3}') == Ignored()


DEEP = b"[" * 60_000
MALFORMED = [
    b"",
    b"hello",
    b"\xff\xfe\x00",
    b"null",
    b"[1, 2]",
    b'{"event":"media"',
    b'{"event":7}',
    b"{}",
    b'{"event":"media"}',
    b'{"event":"media","media":{"payload":"not base64!"}}',
    b'{"event":"media","media":{"payload":"AAA"}}',
    b'{"event":"media","media":{"payload":7}}',
    b'{"event":"mark","mark":{"name":"\xc3\x28"}}',
    b'{"event":"mark","mark":{}}',
    b'{"event":"dtmf","dtmf":{"digit":"12"}}',
    b'{"event":"dtmf","dtmf":{"digit":""}}',
    b'{"event":"dtmf","dtmf":{"digit":"x"}}',
    b'{"event":"start","start":{}}',
    b'{"event":"media","media":{"payload":"AAAA","chunk":"' + b"9" * 5000 + b'"}}',
    b'{"event":"stop","nested":' + DEEP,
    DEEP,
    b'{"event":"other","nested":' + b'{"a":' * 20_000,
]


@pytest.mark.parametrize("message", MALFORMED, ids=lambda message: repr(message[:40]))
def test_malformed_messages_are_protocol_errors_after_which_the_stream_goes_on(message: bytes) -> None:
    dialect = TwilioDialect()
    dialect.receive(start())
    with pytest.raises(ProtocolError) as refused:
        dialect.receive(message)
    assert refused.value.close_code == 1002
    assert len(refused.value.message) < 300
    assert dialect.receive(media()) == Audio(FRAME, 2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
members = st.fixed_dictionaries(
    {"event": st.sampled_from(["connected", "start", "media", "mark", "dtmf", "stop", "auth"]) | json_values},
    optional={
        "start": json_values | st.fixed_dictionaries({"callSid": json_values, "mediaFormat": json_values}),
        "media": json_values | st.fixed_dictionaries({"payload": json_values, "chunk": json_values}),
        "mark": json_values | st.fixed_dictionaries({"name": json_values}),
        "dtmf": json_values | st.fixed_dictionaries({"digit": json_values}),
        "streamSid": json_values,
    },
)
anything = st.binary(max_size=300) | members.map(lambda value: json.dumps(value).encode())


@given(st.lists(anything, max_size=8))
def test_nothing_but_protocol_errors_comes_out_of_garbage(messages: list[bytes]) -> None:
    dialect = TwilioDialect()
    for message in messages:
        try:
            dialect.receive(message)
        except ProtocolError:
            pass
    assert dialect.receive(media()) == Audio(FRAME, 2)


def test_what_is_sent_is_twilios() -> None:
    dialect = TwilioDialect()
    dialect.receive(start())
    assert dialect.outbound == TELEPHONE
    assert json.loads(dialect.audio(FRAME)) == {"event": "media", "streamSid": "MZ1", "media": {"payload": PAYLOAD}}
    assert json.loads(dialect.mark('g"1')) == {"event": "mark", "streamSid": "MZ1", "mark": {"name": 'g"1'}}
    clear = dialect.clear()
    assert clear is not None
    assert json.loads(clear) == {"event": "clear", "streamSid": "MZ1"}
    # exactly these three
    assert (dialect.connected("x"), dialect.transcript("agent", "x"), dialect.error("c", "m")) == (None, None, None)


def test_a_stream_sid_with_quotes_stays_inside_its_string() -> None:
    dialect = TwilioDialect()
    dialect.receive(json.dumps({"event": "start", "start": {"streamSid": 'M"Z\\', "callSid": "CA"}}).encode())
    assert json.loads(dialect.audio(b"\x00"))["streamSid"] == 'M"Z\\'
