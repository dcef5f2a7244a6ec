"""Providers and CRMs that nobody has to pay: `python -m benchmarks.emulators --settings cloud.yaml`, then
`voicecore serve --config cloud.yaml` takes calls with the real adapters and no account.

Prints one line of JSON with their addresses when they are ready, and runs until it is stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import yaml

from benchmarks.emulators.cartesia import CartesiaEmulator
from benchmarks.emulators.deepgram import DeepgramEmulator
from benchmarks.emulators.dynamics import DynamicsEmulator
from benchmarks.emulators.elevenlabs import ElevenLabsEmulator
from benchmarks.emulators.hubspot import HubspotEmulator
from benchmarks.emulators.openai import OpenaiEmulator
from benchmarks.emulators.salesforce import SalesforceEmulator

KEY = "sk-of-an-emulator"  # any will do
CRM_APP = "app"
TRANSCRIPT = "I would like to book an appointment."
ANSWER = "Of course, I can help you with that. What day would suit you?"


def settings(urls: dict[str, str], key_file: Path) -> dict[str, object]:
    """A server's settings with one pipeline, `cloud`, whose providers are these, and those CRMs that there are."""
    key_file.write_text(KEY)
    key = {"api_key": f"file:{key_file}"}

    def stage(provider: str, path: str = "", **options: str) -> dict[str, object]:
        return {"provider": provider, "options": {"base_url": urls[provider] + path, **key, **options}}

    def chat(**options: str) -> dict[str, object]:
        return stage("openai", "/v1", **options)

    pipeline = {
        "vad": {"provider": "webrtc"},
        "stt": {**stage("deepgram"), "fallback": [chat()]},
        "llm": chat(),
        "tts": {**stage("elevenlabs"), "fallback": [stage("cartesia")]},
    }
    return {
        "pipeline": "cloud",
        "pipelines": {"cloud": pipeline},
        "webhooks": {"allow_private": True},  # the CRMs are on this machine
        "integrations": crms(urls, key_file),
    }


def crms(urls: dict[str, str], key_file: Path) -> dict[str, object]:
    app = {"client_id": CRM_APP, "client_secret": f"file:{key_file}"}
    places = {kind: {"login_url": urls[kind], **app} for kind in ("salesforce", "hubspot", "dynamics") if kind in urls}
    if "hubspot" in urls:
        places["hubspot"]["api_url"] = urls["hubspot"]
    return dict(places)


async def serve(arguments: argparse.Namespace) -> None:
    stt_s, llm_s, tts_s = (ms / 1000 for ms in (arguments.stt_ms, arguments.llm_ms, arguments.tts_ms))
    openai = OpenaiEmulator(first_s=llm_s, token_s=1 / arguments.tokens_per_s, keys=(KEY,))
    openai.say(ANSWER)
    deepgram = DeepgramEmulator(first_s=stt_s)
    deepgram.transcript = openai.transcript = TRANSCRIPT
    named = {
        "openai": openai,
        "deepgram": deepgram,
        "elevenlabs": ElevenLabsEmulator(first_s=tts_s),
        "cartesia": CartesiaEmulator(first_s=tts_s),
        "salesforce": SalesforceEmulator(client_secret=KEY),
        "hubspot": HubspotEmulator(client_secret=KEY),
        "dynamics": DynamicsEmulator(client_secret=KEY),
    }
    async with AsyncExitStack() as stack:
        for emulator in named.values():
            await stack.enter_async_context(emulator)
        urls = {name: emulator.url for name, emulator in named.items()}
        if arguments.settings is not None:
            written = settings(urls, arguments.settings.with_suffix(".key").absolute())
            arguments.settings.write_text(yaml.safe_dump(written, sort_keys=False))
        print(json.dumps(urls), flush=True)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.emulators", description=__doc__)
    parser.add_argument("--settings", type=Path, help="write a settings file that uses them")
    parser.add_argument("--stt-ms", type=float, default=100, help="from the request for the text to the text")
    parser.add_argument("--llm-ms", type=float, default=200, help="to the first token")
    parser.add_argument("--tokens-per-s", type=float, default=60)
    parser.add_argument("--tts-ms", type=float, default=120, help="to the first audio")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
