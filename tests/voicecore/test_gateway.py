"""Who may connect, what the first frame must prove, and how calls end when the server does."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from media_server import ANSWERS, SILENT, House, RawSocket, Serve, changed, error_codes, events, eventually, utterance
from twilio.request_validator import RequestValidator
from websockets.exceptions import InvalidStatus

from config.schema import AdmissionSettings, TwilioSettings
from pipelines.events import EndReason, EventKind
from voicecore.phone.twiml import parse_twiml

TOKEN = "0123456789abcdef"
CREDENTIALS = TwilioSettings(account_sid="AC1", auth_token=TOKEN)
PUBLIC = "https://voice.example.com"


async def refusal(house: House, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        async with house.socket(path, additional_headers=headers or {}):
            pass
    return refused.value.response.status_code, refused.value.response.body.decode()


def signature(url: str, form: dict[str, str] | None = None) -> dict[str, str]:
    return {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, form or {})}


async def ring(house: House, public: str = "") -> str:
    """What the webhook says: the path of the media URL."""
    path = "/webhooks/twilio/voice"
    form = {"CallSid": "CA1", "From": "+1", "To": "+15550100000"}
    headers = signature((public or house.server.url) + path, form)
    async with (
        aiohttp.ClientSession() as session,
        session.post(house.server.url + path, data=form, headers=headers) as response,
    ):
        assert response.status == 200
        url = parse_twiml(await response.text()).url
    base = public.replace("https", "wss") or house.ws
    assert url.startswith(base + "/twilio/media/")
    return url.removeprefix(base)


# --- the carrier's socket -------------------------------------------------------------------------


async def test_without_credentials_only_this_machine_may_connect(house: House) -> None:
    for header in ("X-Forwarded-For", "forwarded"):
        status, body = await refusal(house, "/twilio/media", {header: "203.0.113.7"})
        assert status == 403
        assert "loopback only" in body
    async with house.socket("/twilio/media"):
        pass
    await house.idle()
    assert house.log_names().count("media_refused") == 2


@pytest.mark.parametrize("token", ["forged", "AAAA" * 20, "%FF", "a/b"])
async def test_a_forged_token_is_refused(house: House, token: str) -> None:
    assert (await refusal(house, f"/twilio/media/{token}"))[0] == 403
    assert house.server.gateway.active_calls == 0


async def test_a_token_is_good_once_and_for_its_own_call(house: House) -> None:
    path = await ring(house)
    async with house.socket(path) as call:
        await call.start(sid="CAother")
        code, reason = await call.closed()
        assert (code, "not the call" in reason) == (1008, True)
    assert await house.find("CAother") is None
    status, body = await refusal(house, path)
    assert (status, body) == (403, "the media token was used before")
    async with house.socket(await ring(house)) as call:
        await call.start(sid="CA1")
        await call.until("media")
        await call.leave("stop")
    assert (await house.ended("CA1")).call.to_number == "+15550100000"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("public", ["", PUBLIC])
async def test_with_credentials_everything_must_be_signed(serve: Serve, public: str, slash: str) -> None:
    house = await serve(twilio=CREDENTIALS, public_url=public)
    base = public.replace("https", "wss") or house.ws
    path = await ring(house, public)
    assert "carries no X-Twilio-Signature" in (await refusal(house, path))[1]
    assert "does not match" in (await refusal(house, path, signature(base + "/twilio/media/other")))[1]
    assert "token is required" in (await refusal(house, "/twilio/media", signature(base + "/twilio/media")))[1]
    proxied = {"X-Forwarded-For": "203.0.113.7"} if public else {}
    async with house.socket(path, additional_headers=signature(base + path + slash) | proxied) as call:
        await call.start(sid="CA1")
        await call.until("media")
        await call.leave("stop")


async def test_the_lines_are_counted(serve: Serve) -> None:
    house = await serve(admission=AdmissionSettings(max_calls=1, max_loop_lag_ms=60_000))
    async with house.socket() as call:
        await call.start()
        await call.until("media")
        status, _ = await refusal(house, "/twilio/media")
        assert status == 503
        async with (
            aiohttp.ClientSession() as session,
            session.post(house.server.url + "/webhooks/twilio/voice", data={"To": "+15550100000"}) as response,
        ):
            assert "All lines are busy" in await response.text()
        await call.leave("stop")
        await call.closed()
    await house.idle()
    async with house.socket():
        pass


# --- the plain socket -----------------------------------------------------------------------------


@pytest.fixture
async def plain(house: House) -> AsyncIterator[RawSocket]:
    async with house.socket("/ws/media/my-call") as call:
        yield call


def auth(token: str, **more: Any) -> dict[str, Any]:
    return {"event": "auth", "token": token, **more}


async def test_a_plain_call_from_auth_to_stop(house: House, plain: RawSocket) -> None:
    wide = {"encoding": "audio/x-l16", "sampleRate": 16000}
    await plain.send(auth(await house.token(), agent_id="reception", media_format=wide, **{"from": "+49", "to": "+1"}))
    assert await plain.until("connected") == {"event": "connected", "callSid": "my-call"}
    greeting = await plain.until("audio")
    assert len(base64.b64decode(greeting["media"]["payload"])) % 640 == 0
    assert await plain.until("transcript") == {"event": "transcript", "role": "agent", "text": "Welcome to Demo."}
    await plain.send({"event": "stop"})
    assert await plain.closed() == (1000, "caller_hangup")
    detail = await house.ended("my-call")
    assert (detail.call.transport, detail.call.agent_id, detail.call.from_number) == ("plain", "reception", "+49")
    assert detail.recording is None or detail.recording.rate_hz == 16000


async def test_a_plain_caller_is_understood(house: House, plain: RawSocket) -> None:
    await plain.send(auth(await house.token()))
    await plain.until("transcript")
    for frame in utterance():
        await plain.send({"event": "media", "media": {"payload": base64.b64encode(frame).decode()}})
    assert (await plain.until("transcript"))["text"] == "when do you open"
    assert (await plain.until("transcript")) == {"event": "transcript", "role": "agent", "text": ANSWERS[0]}
    await plain.send({"event": "stop"})
    await plain.closed()


async def test_nothing_is_taken_before_the_auth(house: House, plain: RawSocket) -> None:
    media = {"event": "media", "media": {"payload": base64.b64encode(SILENT).decode()}}
    for _ in range(3):
        await plain.send(media)
    assert (await plain.until("error"))["code"] == "protocol"
    assert (await plain.closed())[0] == 1002
    await house.idle()
    assert await house.find("my-call") is None


async def test_silence_instead_of_an_auth(serve: Serve) -> None:
    house = await serve(media=changed(start_timeout_s=0.1))
    async with house.socket("/ws/media/x") as call:
        assert (await call.closed())[0] == 1008
    await house.idle()
    assert await house.find("x") is None


async def test_wrong_tokens(house: House) -> None:
    good = await house.token()
    for token in ("", "nonsense", good[:-3] + "abc", await house.token(kind="refresh_token")):
        async with house.socket("/ws/media/x") as call:
            await call.send(auth(token))
            assert (await call.until("error"))["code"] == "authentication"
            assert (await call.closed())[0] == 1008
    await house.idle()
    assert await house.find("x") is None
    assert house.problems() == ["authentication"] * 4


async def test_another_organizations_agent_is_nobody(house: House, plain: RawSocket) -> None:
    await plain.send(auth(await house.token(), agent_id="elsewhere"))
    assert (await plain.until("error"))["code"] == "not_found"
    assert (await plain.closed())[0] == 1008
    detail = await house.ended("my-call")
    assert detail.call.end_reason is EndReason.AGENT_NOT_FOUND
    assert detail.call.agent_id == "reception"
    assert error_codes(detail) == ["not_found"]


async def test_a_format_that_there_is_not(house: House, plain: RawSocket) -> None:
    await plain.send(auth(await house.token(), media_format={"encoding": "audio/opus"}))
    assert (await plain.until("error"))["code"] == "audio_format"
    assert (await plain.closed())[0] == 1003
    await house.idle()
    assert house.problems() == ["audio_format"]


async def test_a_second_auth_is_survived(house: House, plain: RawSocket) -> None:
    await plain.send(auth(await house.token()))
    await plain.until("audio")
    await plain.send(auth("nonsense", media_format={"encoding": "audio/x-l16"}))
    await plain.send({"event": "stop"})
    assert await plain.closed() == (1000, "caller_hangup")
    detail = await house.ended("my-call")
    assert error_codes(detail) == ["protocol"]


@pytest.mark.parametrize("path", ["/ws/media/", "/ws/media/a/b", "/ws/media/" + "x" * 129])
async def test_paths_that_there_are_not(house: House, path: str) -> None:
    assert (await refusal(house, path))[0] == 404


async def test_a_long_first_line_still_finds_its_surface(house: House) -> None:
    status, body = await house.get("/dashboard/api/salesforce/oauth/callback?state=" + "x" * 30_000)
    assert status == 400
    assert list(json.loads(body)) == ["error"]


# --- the end --------------------------------------------------------------------------------------


async def test_a_drain_lets_calls_finish_and_takes_no_new_ones(house: House) -> None:
    async with house.socket() as call:
        await call.start()
        await call.greeted(house)
        assert (await house.get("/readyz"))[0] == 200
        drained = asyncio.create_task(house.server.gateway.drain(30))
        await eventually(lambda: house.server.gateway.admission.draining)
        assert (await refusal(house, "/twilio/media"))[0] == 503
        assert (await house.get("/readyz"))[0] == 503
        assert (await house.get("/healthz"))[0] == 200
        await call.say()
        await call.until("media")
        assert not drained.done()
        await call.leave("stop")
        await call.closed()
    async with asyncio.timeout(5):
        await drained
    assert (await house.ended(call.sid)).call.end_reason is EndReason.CALLER_HANGUP


async def test_after_the_deadline_calls_get_a_goodbye(house: House) -> None:
    async with house.socket() as call, house.socket() as waiting:
        await call.start()
        await call.greeted(house)
        drained = asyncio.create_task(house.server.gateway.drain(0))
        await call.until("media")
        await call.send(await call.until("mark"))
        assert (await call.closed())[0] == 1000
        assert (await waiting.closed())[0] == 1001
        async with asyncio.timeout(10):
            await drained
    detail = await house.ended(call.sid)
    assert detail.call.end_reason is EndReason.SERVER_SHUTDOWN
    assert detail.turns[-1].generated_text == detail.turns[-1].heard_text != ""


async def test_a_stop_ends_every_connection_and_keeps_what_was_said(house: House) -> None:
    async with house.socket() as call, house.socket() as waiting:
        await call.start()
        await call.until("media")
        stopped = asyncio.create_task(house.server.gateway.stop())
        assert await call.closed() == (1001, "server_shutdown")
        assert await waiting.closed() == (1001, "server_shutdown")
        await stopped
        assert house.server.gateway.active_calls == 0
    detail = await house.ended(call.sid)
    assert detail.call.end_reason is EndReason.SERVER_SHUTDOWN
    assert detail.turns[0].interrupted
    assert events(detail, EventKind.CALL_ENDED) == [{"reason": "server_shutdown"}]
