"""Providers behind a network, emulated in this process, and a pipeline that uses all of them, with a key for each."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from benchmarks.emulators.base import Emulator, Fault
from benchmarks.emulators.cartesia import CartesiaEmulator
from benchmarks.emulators.deepgram import DeepgramEmulator
from benchmarks.emulators.elevenlabs import ElevenLabsEmulator
from benchmarks.emulators.openai import OpenaiEmulator

# Of every place where a key can be. What is looked for is what no other text contains.
ENV_NAME, ENV_KEY = "CLOUD_HOUSE_KEY", "sk-planted-in-the-environment-4711"
FILE_KEY = "sk-planted-in-a-file-4711"
OWN_KEY = "sk-planted-for-one-organization-4711"
SHARED_KEY = "sk-planted-for-everybody-4711"
KEYS = (ENV_KEY, FILE_KEY, OWN_KEY, SHARED_KEY)
PLANTED = "sk-planted"


class Cloud(msgspec.Struct):
    openai: OpenaiEmulator
    deepgram: DeepgramEmulator
    elevenlabs: ElevenLabsEmulator
    cartesia: CartesiaEmulator
    seen: dict[str, set[str]] = {}  # keys that were sent, by the provider they were sent to

    @property
    def all(self) -> list[Emulator]:
        return [self.openai, self.deepgram, self.elevenlabs, self.cartesia]

    def misbehave(self, fault: Fault, who: Sequence[str]) -> None:
        """These; the others behave."""
        for emulator in self.all:
            emulator.fault = Fault.NONE
        for name in who:
            getattr(self, name).fault = fault

    def stages(self, folder: Path) -> dict[str, Any]:
        """Settings of a pipeline. `folder`: for the key that is in a file."""
        file = folder / "provider.key"
        file.write_text(FILE_KEY)

        def stage(provider: str, url: str, key: str, **options: str) -> dict[str, Any]:
            return {"provider": provider, "options": {"base_url": url, "api_key": key, **options}}

        openai = f"{self.openai.url}/v1"
        return {
            "vad": {"provider": "webrtc"},
            "stt": {
                **stage("deepgram", self.deepgram.url, f"file:{file}"),
                "fallback": [stage("openai", openai, f"env:{ENV_NAME}", mode="http")],
            },
            "llm": stage("openai", openai, f"env:{ENV_NAME}", model="gpt-4.1-mini"),
            "tts": {
                **stage("elevenlabs", self.elevenlabs.url, "store:voice"),
                "fallback": [stage("cartesia", self.cartesia.url, "store:other-voice")],
            },
        }


@contextlib.asynccontextmanager
async def cloud() -> AsyncIterator[Cloud]:
    made = Cloud(OpenaiEmulator(keys=KEYS), DeepgramEmulator(), ElevenLabsEmulator(), CartesiaEmulator())
    made.openai.say("We open at nine.")
    made.openai.transcript = made.deepgram.transcript = "when do you open"
    async with contextlib.AsyncExitStack() as stack:
        for emulator in made.all:
            seen = made.seen.setdefault(type(emulator).__name__, set())
            emulator.app.middlewares.append(_indiscreet(emulator, seen))
            await stack.enter_async_context(emulator)
        yield made


def _indiscreet(emulator: Emulator, seen: set[str]) -> Any:
    """Who refuses a key repeats it, in status line, headers and body: some do."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = " ".join([*request.headers.values(), request.query_string])
        seen.update(key for key in KEYS if key in sent)
        if emulator.fault is not Fault.UNAUTHORIZED:
            return await handler(request)
        emulator.requests.append({})
        body = {"error": {"message": f"bad key: {sent}"}, "detail": {"message": f"bad key: {sent}"}, "err_msg": sent}
        return web.json_response(body, status=401, reason=f"bad key {sent[:200]}", headers={"X-Reason": sent})

    return middleware
