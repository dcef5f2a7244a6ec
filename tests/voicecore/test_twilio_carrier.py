"""Calls through Twilio's own package against an emulator of Twilio: dialling, errors, transfers, signatures."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from calling_desk import NOBODY, START, Desk, desk, statuses, transfers
from media_server import ANSWERS, House, Serve
from twilio_emulator import ACCOUNT, INVALID, PUBLIC, TOKEN, UNVERIFIED, TwilioEmulator, twilio

from config.schema import CarrierSettings, ServerSettings, TwilioSettings
from pipelines.errors import ConfigError
from pipelines.events import EndReason
from voicecore.carriers.choice import chosen
from voicecore.carriers.twilio import TwilioCarrier
from voicecore.domain.calls import CallStatus
from voicecore.fellows import Alone
from voicecore.services.carrier import CarrierError, Leg

LEG = Leg(to_number="+49301234567", from_number="+15550100000", answer_url="http://127.0.0.1:1/", status_url="http://x")


@pytest.fixture
async def emulator() -> AsyncIterator[TwilioEmulator]:
    where = [""]
    async with twilio(lambda: where[0]) as started:
        started.where = where  # type: ignore[attr-defined]
        yield started


@pytest.fixture
async def house(serve: Serve, emulator: TwilioEmulator) -> House:
    credentials = TwilioSettings(account_sid=ACCOUNT, auth_token=TOKEN, api_url=emulator.url)
    made = await serve(twilio=credentials, public_url=PUBLIC)
    emulator.where[0] = made.server.url  # type: ignore[attr-defined]
    return made


@pytest.fixture
async def ada(house: House) -> AsyncIterator[Desk]:
    async with desk(house) as client:
        yield client


async def test_a_call_through_twilio(house: House, ada: Desk, emulator: TwilioEmulator) -> None:
    started = await ada.post(START, NOBODY | {"to_number": "+49301234567"})
    (form,) = emulator.created
    assert (form["To"], form["From"], form["Timeout"], form["Method"]) == (
        "+49301234567", "+15550100000", "30", "POST",
    )  # fmt: skip
    assert form["Url"].startswith(f"{PUBLIC}/webhooks/twilio/outbound/")
    assert form["StatusCallback"].startswith(f"{PUBLIC}/webhooks/twilio/outbound/")
    assert started["webhook_url"] == f"{PUBLIC}/webhooks/twilio/voice"
    ended = await house.ended(started["call_id"])
    assert ended.call.sid == started["sid"] != ""
    assert [turn.heard_text for turn in ended.turns] == ["Welcome to Demo.", ANSWERS[0]]
    assert (ended.call.end_reason, statuses(ended)) == (EndReason.CALLER_HANGUP, ["ringing"])


async def test_hanging_up_and_what_twilio_refuses(house: House, ada: Desk, emulator: TwilioEmulator) -> None:
    for body, field in (({"to_number": INVALID}, "to_number"), ({"from_number": UNVERIFIED}, "from_number")):
        answer = await ada.post(START, NOBODY | body, 422)
        assert [detail["field"] for detail in answer["error"]["details"]] == [field]
        assert "Twilio 212" in answer["error"]["message"]
    assert [item["end_reason"] for item in (await ada.get("/api/v1/calls"))["items"]] == ["carrier_failed"] * 2
    emulator.errors = [(429, 20429)]
    started = await ada.post(START, NOBODY)
    assert (started["status"], started["sid"]) == ("initiated", "")
    await house.talking(started["call_id"])  # tried again
    await ada.post(f"/api/v1/calls/{started['call_id']}/hangup")
    assert (await house.ended(started["call_id"])).call.end_reason is EndReason.AGENT_HANGUP


async def test_a_blind_transfer_through_twilio(house: House, ada: Desk, emulator: TwilioEmulator) -> None:
    call_id = await ada.running()
    path = f"/api/v1/calls/{call_id}/transfer"
    answer = await ada.post(path, {"target": "2001"}, 422)
    assert "carrier.extensions" in answer["error"]["details"][0]["message"]
    emulator.errors = [(500, 20500)]
    await ada.post(path, {"target": "+49307777777"}, 503)
    assert (await ada.call(call_id)).call.status is CallStatus.ANSWERED  # the agent goes on
    await ada.post(path, {"target": "+49307777777"})
    ended = await house.ended(call_id)
    assert ended.call.end_reason is EndReason.TRANSFERRED
    assert '<Dial callerId="+15550100000" timeout="30"><Number>+49307777777</Number></Dial>' in str(emulator.updated)
    assert transfers(ended) == [("blind", "done")]


async def test_an_attended_transfer_through_twilio(house: House, ada: Desk, emulator: TwilioEmulator) -> None:
    call_id = await ada.running()
    answer = await ada.post(
        f"/api/v1/calls/{call_id}/transfer", {"target": "+49307777777", "transfer_type": "attended"}
    )
    assert answer["status"] == "ringing"
    ended = await house.ended(call_id)
    assert ended.call.end_reason is EndReason.TRANSFERRED
    assert "<Conference" in emulator.created[-1]["Twiml"]
    assert "<Conference" in emulator.updated[-1]["Twiml"]
    assert transfers(ended) == [("attended", "ringing"), ("attended", "done")]


async def test_webhooks_must_be_twilios_and_ours(house: House, ada: Desk) -> None:
    call_id = await ada.running()
    uid = (await ada.call(call_id)).call.uid
    async with aiohttp.ClientSession() as session:
        for path in (f"/webhooks/twilio/outbound/{uid}", f"/webhooks/twilio/outbound/{uid}/status"):
            for query in ("", "?expires=99999999999&signature=00"):
                async with session.post(house.server.url + path + query, data={"CallStatus": "busy"}) as response:
                    assert response.status == 403
    assert (await ada.call(call_id)).call.status is CallStatus.ANSWERED


# --- the carrier alone ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "again", "unknown", "words"),
    [
        (429, 20429, True, False, "Twilio 20429"),
        (503, 0, True, False, "Twilio answered 503"),
        (500, 20500, False, True, "Twilio 20500"),
        (400, 13223, False, False, "Twilio 13223"),
        (401, 20003, False, False, "twilio.auth_token"),
    ],
)
async def test_what_errors_mean(
    emulator: TwilioEmulator, status: int, code: int, again: bool, unknown: bool, words: str
) -> None:
    carrier = TwilioCarrier(TwilioSettings(account_sid=ACCOUNT, auth_token=TOKEN, api_url=emulator.url), "")
    emulator.errors = [(status, code)]
    with pytest.raises(CarrierError, match=words) as failed:
        await carrier.dial(LEG)
    assert (failed.value.again, failed.value.unknown) == (again, unknown)
    assert TOKEN not in failed.value.message
    await carrier.close()


async def test_wrong_credentials_and_a_twilio_that_is_not_there(emulator: TwilioEmulator) -> None:
    wrong = TwilioCarrier(TwilioSettings(account_sid=ACCOUNT, auth_token="wrong", api_url=emulator.url), "")
    with pytest.raises(CarrierError, match="credentials"):
        await wrong.dial(LEG)
    with pytest.raises(CarrierError, match="credentials"):
        await wrong.hang_up("CA1")
    await wrong.close()
    gone = TwilioCarrier(TwilioSettings(account_sid="AC1", auth_token="x", api_url="http://127.0.0.1:9"), "")
    with pytest.raises(CarrierError, match="cannot be reached") as failed:
        await gone.dial(LEG)
    assert failed.value.again
    await gone.close()


def test_twilio_needs_its_settings() -> None:
    asked, credentials = CarrierSettings(kind="twilio"), TwilioSettings(account_sid="AC1", auth_token="x")
    for settings, key in (
        (ServerSettings(carrier=asked), "twilio.account_sid"),
        (ServerSettings(carrier=asked, twilio=credentials), "public_url"),
    ):
        with pytest.raises(ConfigError) as refused:
            chosen(settings, Alone(), str)
        assert refused.value.key == key
    assert chosen(ServerSettings(twilio=credentials), Alone(), str) is None  # it could not reach us
    carrier = chosen(ServerSettings(twilio=credentials, public_url=PUBLIC), Alone(), str)
    assert carrier is not None
    assert carrier.name == "twilio"
    assert chosen(ServerSettings(carrier=CarrierSettings(kind="none")), Alone(), str) is None
    simulated = chosen(ServerSettings(), Alone(), str)  # who has no account can try it all the same
    assert simulated is not None
    assert simulated.name == "simulated"
