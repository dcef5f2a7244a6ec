"""A whole server: what happens in a call reaches a webhook, and files are heard and spoken by the engines of calls."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile
from aiohttp import web
from aiohttp.test_utils import TestServer
from media_server import House, Serve, eventually

from config.schema import WebhookSettings
from pipelines.audio import Codec, to_pcm16
from voicecore.phone.clips import shipped


async def ask(house: House, method: str, path: str, **more: Any) -> Any:
    url = path if path.startswith("http") else f"{house.server.url}/api/v1/{path}"
    headers = {"Authorization": f"Bearer {await house.token()}"}
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers, **more) as response:
        assert response.status < 300, await response.text()
        return await response.json() if response.content_type == "application/json" else await response.read()


async def test_the_end_of_a_call_reaches_a_webhook(serve: Serve) -> None:
    house = await serve(webhooks=WebhookSettings(allow_private=True))
    received: asyncio.Queue[Any] = asyncio.Queue()

    async def hook(request: web.Request) -> web.Response:
        await received.put(json.loads(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    async with TestServer(app) as receiver:
        wanted = {"url": str(receiver.make_url("/hook")), "events": ["call.completed"], "secret": "s"}
        await ask(house, "POST", "webhooks", json=wanted)
        await house.call()
        async with asyncio.timeout(10):
            payload = await received.get()
        detail = await house.ended(payload["data"]["call_id"])
        assert round(detail.call.duration_s) == payload["data"]["duration"]
        assert payload["data"]["status"] == "completed"
        recording = await ask(house, "GET", payload["data"]["recording_url"])
        assert recording[:4] == b"RIFF"

        async def settled() -> bool:
            found = await ask(house, "GET", "webhooks/deliveries?state=delivered")
            return bool(found["items"])

        await eventually(settled)


async def test_private_destinations_are_refused_by_default(house: House) -> None:
    wanted = {"url": "http://127.0.0.1:1/hook", "events": ["call.completed"], "secret": "s"}
    with pytest.raises(AssertionError, match="must be a public address"):
        await ask(house, "POST", "webhooks", json=wanted)


async def test_exports_are_made_by_a_running_server(house: House) -> None:
    await ask(house, "PUT", "crm/customers/cust_1", json={"name": "Max"})
    asked = await ask(house, "POST", "gdpr/export", json={"customer_id": "cust_1"})

    async def made() -> str | None:
        found = await ask(house, "GET", f"gdpr/export/{asked['export_id']}")
        return found["download_url"]

    url = await eventually(made)
    assert (await ask(house, "GET", str(url)))["customer"]["name"] == "Max"


@pytest.mark.slow
async def test_the_embedded_engines_hear_and_speak_files(serve: Serve) -> None:
    house = await serve(pipeline="embedded")
    clip = shipped()[0]
    assert clip.text == "What are your opening hours on Saturday?"
    samples = np.frombuffer(to_pcm16(b"".join(clip.frames), Codec.ULAW), dtype=np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="OGG")
    form = aiohttp.FormData()
    form.add_field("file", file.getvalue(), filename="question.ogg")
    heard = await ask(house, "POST", "audio/stt", data=form)
    assert "opening hours" in heard["text"].casefold()
    assert heard["language"] == "en"
    assert len(heard["words"]) == len(heard["text"].split())
    assert 0 <= heard["words"][0]["start"] < heard["words"][-1]["end"] <= heard["duration"] + 0.1
    wanted = {"text": "Your appointment is confirmed. Thank you.", "voice_id": "21m00Tcm4TlvDq8ikWAM"}
    spoken = await ask(house, "POST", "audio/tts", json=wanted | {"output_format": "wav"})
    data, rate_hz = soundfile.read(io.BytesIO(await ask(house, "GET", spoken["audio_url"])))
    assert len(data) / rate_hz == pytest.approx(spoken["duration"], abs=0.01)
    assert spoken["duration"] > 1
    assert np.abs(data).max() > 0.05
    german = aiohttp.FormData({"language": "de"})
    german.add_field("file", io.BytesIO(file.getvalue()), filename="question.ogg")
    with pytest.raises(AssertionError, match="SERVICE_UNAVAILABLE"):
        await ask(house, "POST", "audio/stt", data=german)
    _, figures = await house.get("/metrics")
    benched = [line for line in figures.splitlines() if line.startswith("voicecore_engine_benched{")]
    assert benched
    assert all(line.endswith(" 0.0") for line in benched), benched  # calls go on with the same engines
