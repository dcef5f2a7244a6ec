"""OpenAI's engines for the contract suites."""

from __future__ import annotations

from typing import Any

from cloud_cases import Case
from cloud_contract import KEY

from benchmarks.emulators.base import Emulator
from benchmarks.emulators.openai import OpenaiEmulator


def _emulator() -> OpenaiEmulator:
    return OpenaiEmulator(keys=(KEY,))


def _options(emulator: Emulator) -> dict[str, Any]:
    return {"base_url": f"{emulator.url}/v1"}


def _over_http(emulator: Emulator) -> dict[str, Any]:
    return {**_options(emulator), "mode": "http"}


CASES = [
    Case("openai-chat", "llm", "openai", _emulator, _options),
    Case("openai-http", "stt", "openai", _emulator, _over_http),
    Case("openai-realtime", "stt", "openai", _emulator, _options),
    Case("openai-speech", "tts", "openai", _emulator, _options),
]
