"""What a carrier is told when a call rings."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest
from media_server import House, Serve
from twilio.request_validator import RequestValidator

from config.schema import TwilioSettings
from voicecore.phone.twiml import parse_twiml

VOICE = "/webhooks/twilio/voice"
FORM = {"CallSid": "CA1", "From": "+491", "To": "+15550100000", "CallStatus": "ringing"}


async def post(house: House, path: str, form: dict[str, str], headers: dict[str, str] | None = None) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(house.server.url + path, data=form, headers=headers) as response,
    ):
        return response.status, await response.text()


async def test_a_ring_is_connected_to_its_agent(house: House) -> None:
    status, document = await post(house, VOICE, FORM)
    assert status == 200
    target = parse_twiml(document)
    assert target.url.startswith(f"{house.ws}/twilio/media/")
    assert target.parameters == {"agent": "reception", "from": "+491", "to": "+15550100000"}


async def test_an_agent_may_be_asked_for(house: House) -> None:
    _, document = await post(house, f"{VOICE}?agent=talker", FORM)
    assert parse_twiml(document).parameters["agent"] == "talker"
    async with aiohttp.ClientSession() as session, session.get(house.server.url + VOICE, params=FORM) as response:
        assert parse_twiml(await response.text()).parameters["to"] == "+15550100000"


async def test_nobody_answers_there(house: House) -> None:
    status, document = await post(house, f"{VOICE}?agent=nobody", FORM)
    assert status == 200
    root = ElementTree.fromstring(document)
    assert [child.tag for child in root] == ["Say", "Hangup"]
    assert "call_refused" in house.log_names()


async def test_parameters_survive_xml(house: House) -> None:
    _, document = await post(house, VOICE, {**FORM, "From": "<\"&'>"})
    assert parse_twiml(document).parameters["from"] == "<\"&'>"


@pytest.mark.parametrize("public", ["", "https://voice.example.com"])
async def test_with_credentials_a_ring_must_be_signed(serve: Serve, public: str) -> None:
    house = await serve(twilio=TwilioSettings(account_sid="AC1", auth_token="token"), public_url=public)
    url = (public or house.server.url) + VOICE
    signed = {"X-Twilio-Signature": RequestValidator("token").compute_signature(url, FORM)}
    for headers, form in (({}, FORM), (signed, {**FORM, "To": "+666"}), ({"X-Twilio-Signature": "x"}, FORM)):
        status, _ = await post(house, VOICE, form, headers)
        assert status == 403
    assert house.log_names().count("webhook_refused") == 3
    status, document = await post(house, VOICE, FORM, signed)
    assert status == 200
    assert parse_twiml(document).url.startswith(public.replace("https", "wss") or house.ws)


async def test_a_status_report_is_logged(house: House) -> None:
    status, _ = await post(house, "/webhooks/twilio/status", {"CallSid": "CA9", "CallStatus": "completed"})
    assert status == 204
    wanted: dict[str, Any] = {"event": "carrier_status", "call_sid": "CA9", "status": "completed"}
    assert any(wanted.items() <= entry.items() for entry in house.logged)
