"""Calls over real sockets to a server that speaks the server's side of the protocol."""

import asyncio
import json
import socket as sockets

import aiohttp
import pytest
from phone_counterpart import SILENT, AgentServer, tone_ulaw
from twilio.request_validator import RequestValidator

from pipelines.errors import ProtocolError
from voicecore.phone.caller import Caller, Manners
from voicecore.phone.carrier import VOICE_WEBHOOK_PATH, CallResult, Destination, EndedBy, place_call
from voicecore.phone.clips import make_clip
from voicecore.phone.line import Line
from voicecore.phone.twiml import CallFailed

CLIP = make_clip(tone_ulaw(200, 6000), "hello")
QUICK = Manners(answer_pause_ms=160, greeting_timeout_ms=1000, answer_timeout_ms=600)


async def call(
    destination: Destination, *, clips: int = 1, manners: Manners = QUICK, timeout_s: float = 20.0
) -> CallResult:
    async with aiohttp.ClientSession() as session:
        return await place_call(session, destination, Caller((CLIP,) * clips, manners), timeout_s=timeout_s)


async def test_a_call_through_the_webhook(agent_server: AgentServer) -> None:
    before = len(asyncio.all_tasks())
    destination = Destination(
        url=agent_server.url,
        caller="+491701234567",
        called="+15550001111",
        agent="dental",
        auth_token="secret",
    )
    result = await call(destination, clips=2)

    (form,) = agent_server.webhooks
    assert form["CallSid"] == result.identity.call_sid
    assert (form["From"], form["To"], form["CallStatus"]) == ("+491701234567", "+15550001111", "ringing")
    validator = RequestValidator("secret")
    webhook_url = agent_server.url + VOICE_WEBHOOK_PATH + "?agent=dental"
    stream_url = agent_server.url.replace("http", "ws") + "/twilio/media/secret"
    assert validator.validate(webhook_url, form, agent_server.headers[0]["X-Twilio-Signature"])
    assert validator.validate(stream_url, {}, agent_server.headers[1]["X-Twilio-Signature"])

    (start,) = agent_server.starts
    assert start["callSid"] == result.identity.call_sid
    assert start["customParameters"] == {"agent": "dental"}
    chunks = [media["chunk"] for media in agent_server.media]
    assert chunks == [str(number) for number in range(1, len(chunks) + 1)]
    assert [media["timestamp"] for media in agent_server.media[:3]] == ["0", "20", "40"]
    assert agent_server.marks == ["greeting", "end-1", "end-2"]
    assert agent_server.messages[-1]["event"] == "stop"

    assert result.ended_by is EndedBy.CALLER
    assert [turn.answered for turn in result.turns] == [True, True]
    for turn in result.turns:
        assert turn.latency_ms is not None
        assert 180 <= turn.latency_ms < 400  # the server waits for 200 ms of silence
        assert turn.answer_ms == pytest.approx(300, abs=1)
    assert result.problem_count == 0
    assert result.recording.duration_ms == result.frames * 20
    assert len(asyncio.all_tasks()) == before


async def test_a_barge_in_is_cleared_and_measured(agent_server: AgentServer) -> None:
    agent_server.answer_ms = 3000
    stream = agent_server.url.replace("http", "ws") + "/twilio/media/secret"
    manners = Manners(answer_pause_ms=160, greeting_timeout_ms=1000, barge_in_ms=300, answer_limit_ms=600)
    result = await call(Destination(url=stream, agent="a"), clips=2, manners=manners)
    assert agent_server.starts[0]["customParameters"] == {
        "agent": "a",
        "from": "+15550100001",
        "to": "+15550100000",
    }
    second = result.turns[1]
    assert second.interrupted_agent
    assert second.agent_stopped_after_ms is not None
    assert second.agent_stopped_after_ms < 200
    assert second.answered
    assert result.clears == 1
    assert result.cleared_ms > 2000
    assert "end-1" in agent_server.marks  # returned by the clear


async def test_an_agent_that_says_nothing(agent_server: AgentServer) -> None:
    agent_server.mute = True
    result = await call(
        Destination(url=agent_server.url), manners=Manners(greeting_timeout_ms=0, answer_timeout_ms=300)
    )
    assert [turn.answered for turn in result.turns] == [False]
    assert result.ended_by is EndedBy.CALLER
    assert set(result.recording.heard_pcm()) == {0}


async def test_the_agent_hangs_up(agent_server: AgentServer) -> None:
    agent_server.close_after_answers = 1
    result = await call(Destination(url=agent_server.url), clips=3)
    assert result.ended_by is EndedBy.SERVER
    assert result.close_code == 1000
    assert len(result.turns) == 1


async def test_a_cut_line_ends_the_call(agent_server: AgentServer) -> None:
    agent_server.abort_after_frames = 10
    result = await call(Destination(url=agent_server.url), clips=1)
    assert result.ended_by is EndedBy.SERVER
    assert result.frames < 40


async def test_a_call_has_a_longest_duration(agent_server: AgentServer) -> None:
    result = await call(Destination(url=agent_server.url), clips=50, timeout_s=0.5)
    assert result.ended_by is EndedBy.TIMEOUT
    assert agent_server.messages[-1]["event"] == "stop"


async def test_wrong_messages_of_the_server_are_reported(agent_server: AgentServer) -> None:
    agent_server.garbage = ("nonsense", '{"event":"stop","streamSid":"x"}')
    agent_server.binary = True
    result = await call(Destination(url=agent_server.url))
    assert result.problem_count == 3
    assert "BINARY" in result.problems[0]
    assert result.turns[0].answered


async def test_the_caller_can_be_watched(agent_server: AgentServer) -> None:
    seen: list[int] = []

    def observe(line: Line) -> None:
        seen.append(line.frames)

    async with aiohttp.ClientSession() as session:
        caller = Caller((CLIP,), QUICK)
        result = await place_call(session, Destination(url=agent_server.url), caller, observe=observe)
    assert seen[:3] == [1, 2, 3]
    assert seen[-1] == result.frames


async def test_the_line_is_silent_between_utterances(agent_server: AgentServer) -> None:
    await call(Destination(url=agent_server.url))
    payloads = [media["payload"] for media in agent_server.media]
    spoken = [at for at, payload in enumerate(payloads) if payload in CLIP.payloads]
    assert spoken == list(range(spoken[0], spoken[0] + len(CLIP.frames)))
    assert len(set(payloads) - set(CLIP.payloads)) == 1
    assert json.loads(f'"{payloads[0]}"') == payloads[-1]
    assert len(SILENT) == 160


async def test_who_cannot_be_reached_is_named() -> None:
    with sockets.socket() as listener:  # bound, never listening: refuses
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        for scheme in ("http", "ws"):
            with pytest.raises(CallFailed, match=f"127.0.0.1:{port}"):
                await call(Destination(url=f"{scheme}://127.0.0.1:{port}"))
    with pytest.raises(CallFailed, match="not an address"):
        await call(Destination(url="localhost:8080"))


async def test_refusals_carry_the_status(agent_server: AgentServer) -> None:
    with pytest.raises(CallFailed, match="answered 404"):
        await call(Destination(url=agent_server.url + "/nowhere"))
    with pytest.raises(CallFailed, match="404 instead of 101"):
        await call(Destination(url=agent_server.url.replace("http", "ws") + "/nowhere"))


async def test_a_webhook_that_is_no_webhook(agent_server: AgentServer) -> None:
    agent_server.url = agent_server.url.replace("http", "ftp")
    with pytest.raises(ProtocolError, match="WebSocket address"):
        await call(Destination(url=agent_server.url.replace("ftp", "http")))


def test_a_destination_never_shows_its_token() -> None:
    assert "hunter2" not in repr(Destination(url="http://a", auth_token="hunter2"))
