"""Document 004: speech to text, text to speech, and text conversations with the agent."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import numpy as np
import pytest
import soundfile
from api_server import Server

from config.schema import AgentSettings
from pipelines.audio_files import decode
from pipelines.engines import Chains
from pipelines.errors import EngineMissing
from pipelines.stages import Stt, SttOptions, SttSession

ADA, BOB = "ada@one.example", "bob@two.example"


def tone(file_format: str, seconds: float = 1.0, rate_hz: int = 22050, subtype: str | None = None) -> bytes:
    out = io.BytesIO()
    samples = 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)
    soundfile.write(out, np.stack([samples, samples], axis=1), rate_hz, format=file_format, subtype=subtype)
    return out.getvalue()


async def stt(server: Server, data: bytes, who: str = ADA, **fields: str) -> tuple[int, Any]:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(data), filename="audio.wav")
    for name, value in fields.items():
        form.add_field(name, value)
    response = await server.client.post("/api/v1/audio/stt", headers=await server.headers(who), data=form)
    return response.status, await response.json()


async def post(server: Server, path: str, body: Any, who: str = ADA) -> tuple[int, Any]:
    response = await server.client.post(f"/api/v1/{path}", headers=await server.headers(who), json=body)
    return response.status, await response.json()


@pytest.mark.parametrize("file_format", ["WAV", "MP3", "OGG", "FLAC"])
async def test_every_kind_of_file_is_heard(server: Server, file_format: str) -> None:
    status, body = await stt(server, tone(file_format), language="en")
    assert status == 200, body
    assert set(body) == {"text", "language", "confidence", "duration", "words"}
    assert body["text"] == "when do you open"
    assert body["language"] == "en"
    assert body["duration"] == pytest.approx(1.0, abs=0.06)
    assert 0 <= body["confidence"] <= 1


class OnlyEnglish:
    """An engine that knows one language, as the embedded one does."""

    def __init__(self, engine: Stt) -> None:
        self.open_one = engine.open
        self.close = engine.close

    async def open(self, options: SttOptions) -> SttSession:
        if options.language not in ("", "en"):
            raise EngineMissing("no such language", stage="stt", provider="only-english")
        return await self.open_one(options)


async def test_a_language_that_is_not_given_is_one_that_the_engine_knows(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    chains = server.engines.chains

    async def narrowed(agent: AgentSettings, owner: str = "") -> Chains:
        found = await chains(agent, owner)
        stt = [msgspec.structs.replace(named, engine=OnlyEnglish(named.engine)) for named in found.stt]
        return msgspec.structs.replace(found, stt=stt)

    monkeypatch.setattr(server.engines, "chains", narrowed)
    headers = await server.headers()
    await server.client.put("/api/v1/agents/agent_1", headers=headers, json={"config": {"language": "de"}})
    status, body = await stt(server, tone("WAV"))
    assert (status, body.get("text")) == (200, "when do you open"), body
    status, body = await stt(server, tone("WAV"), language="de")
    assert (status, body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")


async def test_a_long_file_is_heard_in_pieces_and_in_its_own_time(server: Server) -> None:
    _, body = await stt(server, tone("WAV", 30, 8000))
    assert body["duration"] == 30
    assert body["text"].count("when do you open") >= 3
    starts = [word["start"] for word in body["words"]]
    assert starts == sorted(starts)


async def test_what_is_no_audio_is_refused(server: Server) -> None:
    for data in (b"RIFF....WAVEfmt nonsense", b"\x00" * 5000, b"", tone("AIFF"), tone("WAV", 0)):
        status, body = await stt(server, data)
        assert (status, body["error"]["code"]) == (422, "VALIDATION_ERROR")
        assert [detail["field"] for detail in body["error"]["details"]] == ["file"]
    status, body = await stt(server, tone("WAV", 601, 4000))
    assert (status, body["error"]["details"][0]["message"]) == (422, "longer than 600 s")
    headers = await server.headers()
    for raw, kind in (
        (b"{}", "application/json"),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=y"),
    ):
        answer = await server.client.post("/api/v1/audio/stt", headers=headers | {"Content-Type": kind}, data=raw)
        assert answer.status == 422, await answer.text()
    packed = b'--y\r\nContent-Disposition: form-data; name="file"\r\nContent-Encoding: gzip\r\n\r\nx\r\n--y--\r\n'
    form = headers | {"Content-Type": "multipart/form-data; boundary=y"}
    assert (await server.client.post("/api/v1/audio/stt", headers=form, data=packed)).status == 422
    nothing = await server.client.post("/api/v1/audio/stt", headers=headers, skip_auto_headers=["Content-Type"])
    assert nothing.status == 422, await nothing.text()


async def test_an_oversized_upload_is_refused(server: Server) -> None:
    status, body = await stt(server, b"\x00" * (25 * 1024 * 1024 + 1))
    assert (status, body["error"]["code"]) == (413, "VALIDATION_ERROR")


async def fetched(server: Server, url: str, who: str = "") -> tuple[int, bytes, str]:
    parts = urlsplit(url)
    headers = await server.headers(who) if who else {}
    response = await server.client.get(f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=headers)
    return response.status, await response.read(), response.content_type


@pytest.mark.parametrize(("output", "kind"), [("mp3", "audio/mpeg"), ("wav", "audio/wav")])
async def test_speech_is_a_file_behind_a_link(server: Server, output: str, kind: str) -> None:
    text = "Vielen Dank für Ihren Anruf. Ihr Termin wurde bestätigt."
    wanted = {"text": text, "voice_id": "21m00Tcm4TlvDq8ikWAM", "output_format": output}
    status, body = await post(server, "audio/tts", wanted | {"settings": {"stability": 0.5, "similarity_boost": 0.75}})
    assert status == 200, body
    assert set(body) == {"audio_url", "duration", "char_count", "voice_id"}
    assert (body["char_count"], body["voice_id"]) == (56, wanted["voice_id"])
    status, audio, content_type = await fetched(server, body["audio_url"])
    assert (status, content_type) == (200, kind)
    assert decode(audio, 8000).seconds == pytest.approx(body["duration"], abs=0.1)
    path = body["audio_url"].partition("?")[0]
    assert (await fetched(server, path, ADA))[0] == 200
    assert (await fetched(server, path, BOB))[0] == 404
    assert (await fetched(server, path))[0] == 401
    assert (await fetched(server, body["audio_url"][:-1] + "x"))[0] == 401


async def test_speed_is_honoured(server: Server) -> None:
    durations = []
    for speed in (1.0, 2.0):
        _, body = await post(server, "audio/tts", {"text": "As fast as I can.", "settings": {"speed": speed}})
        durations.append(body["duration"])
    assert durations[1] == pytest.approx(durations[0] / 2, rel=0.1)


async def test_files_end(server: Server) -> None:
    _, body = await post(server, "audio/tts", {"text": "Hello there."})
    assert await server.dealings.audio.sweep() == 0
    async with server.database.write() as connection:
        await connection.exec_driver_sql("UPDATE audio_files SET expires_at = '2020-01-01 00:00:00.000000'")
    assert (await fetched(server, body["audio_url"]))[0] == 404
    assert await server.dealings.audio.sweep() == 1
    assert list((server.directory / "audio").iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": "..."},
        {"text": "x" * 5001},
        {"text": "hello", "output_format": "aiff"},
        {"text": "hello", "settings": {"speed": 0}},
        {"text": "hello", "settings": {"stability": 3}},
    ],
)
async def test_wrong_speech_is_refused(server: Server, body: Any) -> None:
    assert (await post(server, "audio/tts", body))[0] == 422


# --- conversations --------------------------------------------------------------------------------


async def begin(server: Server, **metadata: Any) -> dict[str, Any]:
    status, body = await post(
        server, "conversation/start", {"agent_id": "agent_1", "channel": "phone", "metadata": metadata}
    )
    assert status == 201, body
    return dict(body)


async def say(server: Server, conversation: str, text: str, **more: Any) -> dict[str, Any]:
    status, body = await post(server, f"conversation/{conversation}/message", {"message": text} | more)
    assert status == 200, body
    return dict(body)


async def test_a_conversation_knows_what_was_before(server: Server) -> None:
    number = "+49301234567"  # of cust_1, who made call_1
    body = await begin(server, phone_number=number)
    assert (body["agent_id"], body["status"]) == ("agent_1", "active")
    assert body["context"] == {"customer_phone": number, "previous_interactions": 1, "last_topic": None}
    await post(
        server, "crm/interactions", {"customer_id": "cust_1", "type": "email", "outcome": "appointment_scheduled"}
    )
    again = (await begin(server, phone_number="030 1234567"))["context"]
    assert (again["previous_interactions"], again["last_topic"]) == (3, "appointment_scheduled")
    assert (await begin(server, phone_number=number, call_id="call_1"))["context"]["previous_interactions"] == 3
    stranger = (await begin(server))["context"]
    assert stranger == {"customer_phone": "", "previous_interactions": 0, "last_topic": None}


async def test_an_appointment_is_moved_into_being_by_messages(server: Server) -> None:
    """The same brain and tools as on the telephone: it asks what it needs, reads back, and books once."""
    conversation = (await begin(server, phone_number="+49 170 5555555"))["conversation_id"]
    first = await say(server, conversation, "I would like to book a check-up on January 24th 2030 at ten a.m.")
    assert first["intent"] == "book_appointment"
    assert (first["entities"]["object"], first["entities"]["service"]) == ("appointment", "Check-up")
    offered = next(action for action in first["suggested_actions"] if action["type"] == "show_calendar")
    assert offered["data"]["available_slots"][0].endswith("Z")
    answers = iter(["My name is Anna Schmidt.", "Yes, that is right.", "Yes."])
    done: list[str] = []
    while "appointment_booked" not in done:
        body = await say(server, conversation, next(answers))
        done += [action["type"] for action in body["suggested_actions"]]
    headers = await server.headers()
    response = await server.client.get("/api/v1/calendar/appointments?start_date=2030-01-24", headers=headers)
    booked = (await response.json())["items"]
    assert [(row["type"], row["source"]) for row in booked] == [("Check-up", "ai_conversation")]
    assert booked[0]["customer_phone"] == "+49 170 5555555"


async def test_a_message_is_understood_in_its_own_language(server: Server) -> None:
    conversation = (await begin(server))["conversation_id"]  # of an agent who speaks English
    body = await say(server, conversation, "Ich möchte meinen Termin verschieben.")
    assert body["intent"] == "reschedule_appointment"
    assert body["entities"] == {"action": "reschedule", "object": "appointment"}
    assert [action["type"] for action in body["suggested_actions"]] == ["show_calendar"]


async def test_the_reply_is_voiced_and_may_be_asked_by_voice(server: Server) -> None:
    await post(server, "knowledge", {"title": "Opening", "content": "We open at nine.", "tags": ["open"]})
    conversation = (await begin(server))["conversation_id"]
    body = await say(server, conversation, "What do you cost?")
    assert set(body) == {"response", "audio_url", "intent", "entities", "suggested_actions"}
    status, audio, kind = await fetched(server, body["audio_url"])
    assert (status, kind) == (200, "audio/mpeg")
    assert decode(audio, 8000).seconds > 0.1
    asked = await say(server, conversation, "", audio_url=body["audio_url"])  # heard as "when do you open"
    assert "nine" in asked["response"]
    assert asked["intent"] == "opening_hours"


async def test_conversations_of_others_are_missing(server: Server) -> None:
    conversation = (await begin(server))["conversation_id"]
    for path in (f"conversation/{conversation}/message", "conversation/conv_no/message"):
        assert (await post(server, path, {"message": "hello"}, BOB))[0] == 404
    assert (await post(server, "conversation/start", {"agent_id": "nobody"}))[0] == 404
    assert (await post(server, "conversation/start", {}))[0] == 422
    assert (await post(server, f"conversation/{conversation}/message", {}))[0] == 422
    for url in (
        "https://example.com/audio/a.mp3",
        "/audio/../secret",
        "file:///etc/passwd",
        "/audio/x.wav?signature=1",
    ):
        status, body = await post(server, f"conversation/{conversation}/message", {"audio_url": url})
        assert (status, body["error"]["details"][0]["field"]) == (422, "audio_url")
