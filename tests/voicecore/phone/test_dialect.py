"""What the carrier sends and what it takes, byte for byte."""

import json

import pytest

from pipelines.errors import ProtocolError
from voicecore.phone.dialect import (
    Encoder,
    Identity,
    ServerClear,
    ServerMark,
    ServerMedia,
    encode_payload,
    parse,
)

WHO = Identity("AC1", "CA2", "MZ3")


def test_a_new_call_has_ids_like_twilios() -> None:
    who = Identity.new()
    for sid, prefix in ((who.account_sid, "AC"), (who.call_sid, "CA"), (who.stream_sid, "MZ")):
        assert sid.startswith(prefix)
        assert len(sid) == 34
        int(sid[2:], 16)
    assert Identity.new() != who


def test_the_messages_of_a_stream_are_numbered_in_strings() -> None:
    encoder = Encoder(WHO)
    connected = json.loads(encoder.connected())
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    start = json.loads(encoder.start({"agent": "a"}))
    assert start["sequenceNumber"] == "1"
    assert start["streamSid"] == start["start"]["streamSid"] == "MZ3"
    assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    assert start["start"]["customParameters"] == {"agent": "a"}
    media = [json.loads(encoder.media(frame, encode_payload(b"\xff" * 160))) for frame in (0, 1)]
    assert [message["sequenceNumber"] for message in media] == ["2", "3"]
    assert [message["media"]["chunk"] for message in media] == ["1", "2"]
    assert [message["media"]["timestamp"] for message in media] == ["0", "20"]
    assert media[0]["media"]["track"] == "inbound"
    assert media[0]["streamSid"] == "MZ3"
    assert json.loads(encoder.mark('odd "name"'))["mark"] == {"name": 'odd "name"'}
    assert json.loads(encoder.dtmf("#"))["dtmf"] == {"track": "inbound_track", "digit": "#"}
    stop = json.loads(encoder.stop())
    assert stop["stop"] == {"accountSid": "AC1", "callSid": "CA2"}
    assert stop["sequenceNumber"] == "6"


def test_the_three_messages_of_a_server_are_read() -> None:
    media = parse('{"event":"media","streamSid":"MZ3","media":{"payload":"//8="}}', "MZ3")
    assert isinstance(media, ServerMedia)
    assert media.media.payload == b"\xff\xff"
    mark = parse('{"event":"mark","streamSid":"MZ3","mark":{"name":"g1:20"}}', "MZ3")
    assert isinstance(mark, ServerMark)
    assert mark.mark.name == "g1:20"
    assert isinstance(parse('{"event":"clear","streamSid":"MZ3"}', "MZ3"), ServerClear)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "no json",
        "[]",
        '{"event":"stop","streamSid":"MZ3"}',
        '{"event":"media","streamSid":"MZ3"}',
        '{"event":"media","streamSid":"MZ3","media":{"payload":"not base64!"}}',
        '{"event":"media","media":{"payload":"//8="}}',
        '{"event":"clear","streamSid":"MZ4"}',
        '{"event":"mark","streamSid":"MZ3","mark":{"name":7}}',
    ],
)
def test_what_twilio_would_refuse_is_refused(message: str) -> None:
    with pytest.raises(ProtocolError):
        parse(message, "MZ3")
