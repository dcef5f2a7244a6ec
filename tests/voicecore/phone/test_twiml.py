"""The webhook's answer: what a carrier accepts and what it refuses."""

import pytest
from twilio.request_validator import RequestValidator

from pipelines.errors import ProtocolError
from voicecore.phone.twiml import parse_twiml, signature_headers

GOOD = (
    '<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="wss://example.com/t/abc">'
    '<Parameter name="agent" value="a &amp; b"/><Parameter name="empty" value=""/></Stream></Connect></Response>'
)


def test_address_and_parameters_are_read() -> None:
    target = parse_twiml(GOOD)
    assert target.url == "wss://example.com/t/abc"
    assert target.parameters == {"agent": "a & b", "empty": ""}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("not xml", "not XML"),
        ("<Response/>", "with nothing"),
        ("<Response><Say>hello</Say><Hangup/></Response>", "Say, Hangup"),
        ("<html><Connect><Stream url='wss://a'/></Connect></html>", "<html>"),
        ("<Response><Start><Stream url='wss://a/b'/></Start></Response>", "Start"),
        (GOOD.replace("wss://example.com/t/abc", "https://example.com"), "WebSocket address"),
        (GOOD.replace("abc", "abc?token=1"), "31920"),
    ],
)
def test_everything_else_is_refused_with_a_reason(document: str, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        parse_twiml(document)


def test_the_signature_is_twilios() -> None:
    headers = signature_headers("https://example.com/voice", {"From": "+1", "To": "+2"}, "token")
    validator = RequestValidator("token")
    signature = headers["X-Twilio-Signature"]
    assert validator.validate("https://example.com/voice", {"From": "+1", "To": "+2"}, signature)
    assert not validator.validate("https://example.com/voice", {"From": "+1", "To": "+3"}, signature)
    assert signature_headers("https://example.com/voice", {}, "") == {}
