"""The test server of these tests, on a free port of loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from phone_counterpart import AgentServer

from voicecore.phone.carrier import VOICE_WEBHOOK_PATH


@pytest.fixture
async def agent_server() -> AsyncIterator[AgentServer]:
    server = AgentServer()
    app = web.Application()
    app.router.add_post(VOICE_WEBHOOK_PATH, server.voice)
    app.router.add_get("/twilio/media/secret", server.stream)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await asyncio.wait_for(runner.cleanup(), 10)
