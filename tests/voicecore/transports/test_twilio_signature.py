"""Signatures made by Twilio's own package, checked as they arrive behind whatever is in front of us."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict
from twilio.request_validator import RequestValidator

from config.schema import TwilioSettings
from pipelines.errors import AuthenticationError
from voicecore.transports.twilio_signature import CarrierSignature

TOKEN = "0123456789abcdef"
SETTINGS = TwilioSettings(account_sid="AC1", auth_token=TOKEN)
FORM = {"CallSid": "CA1", "From": "+1", "To": "+2"}


def signed(url: str, form: dict[str, str] | None = None, *, host: str = "") -> CIMultiDict[str]:
    signature = RequestValidator(TOKEN).compute_signature(url, form or {})
    return CIMultiDict({"X-Twilio-Signature": signature, "Host": host})


def test_without_credentials_nothing_is_checked() -> None:
    signature = CarrierSignature(TwilioSettings(), "")
    assert not signature.configured
    signature.check_webhook("http://x/y", "/y", {}, {})
    signature.check_upgrade("/y", {})


def test_a_webhook_is_signed_over_its_public_address() -> None:
    signature = CarrierSignature(SETTINGS, "https://voice.example.com/")
    path = "/webhooks/twilio/voice?agent=a"
    headers = signed("https://voice.example.com" + path, FORM)
    signature.check_webhook("http://10.0.0.7:8080" + path, path, FORM, headers)
    with pytest.raises(AuthenticationError, match="does not match"):
        signature.check_webhook("http://10.0.0.7:8080" + path, path, {**FORM, "To": "+3"}, headers)
    with pytest.raises(AuthenticationError, match="does not match"):
        CarrierSignature(SETTINGS, "").check_webhook("http://10.0.0.7:8080" + path, path, FORM, headers)


def test_without_a_public_address_the_one_that_arrived_counts() -> None:
    headers = signed("http://localhost:8080/v", FORM)
    CarrierSignature(SETTINGS, "").check_webhook("http://localhost:8080/v", "/v", FORM, headers)


@pytest.mark.parametrize("scheme", ["wss", "ws"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_an_upgrade_is_signed_over_the_address_that_was_dialled(scheme: str, slash: str) -> None:
    headers = signed(f"{scheme}://host:8080/twilio/media/t{slash}", host="host:8080")
    CarrierSignature(SETTINGS, "").check_upgrade("/twilio/media/t", headers)


def test_an_upgrade_behind_a_proxy_is_signed_over_the_public_wss_address() -> None:
    signature = CarrierSignature(SETTINGS, "https://voice.example.com")
    headers = signed("wss://voice.example.com/twilio/media/t", host="10.0.0.7:8080")
    signature.check_upgrade("/twilio/media/t", headers)
    with pytest.raises(AuthenticationError, match="does not match"):
        signature.check_upgrade("/twilio/media/other", headers)
    with pytest.raises(AuthenticationError, match="does not match"):
        signature.check_upgrade("/twilio/media/t", signed("ws://10.0.0.7:8080/twilio/media/t", host="10.0.0.7:8080"))


def test_an_unsigned_request_is_told_so() -> None:
    with pytest.raises(AuthenticationError, match="carries no X-Twilio-Signature"):
        CarrierSignature(SETTINGS, "").check_upgrade("/twilio/media/t", CIMultiDict({"Host": "h"}))
