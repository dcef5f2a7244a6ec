"""Deepgram's recognisers and voices for the contract suites."""

from __future__ import annotations

from cloud_cases import Case

from benchmarks.emulators.deepgram import DeepgramEmulator

CASES = [
    Case("deepgram-nova", "stt", "deepgram", DeepgramEmulator, lambda emulator: {"base_url": emulator.url}),
    Case(
        "deepgram-flux",
        "stt",
        "deepgram",
        DeepgramEmulator,
        lambda emulator: {"base_url": emulator.url, "model": "flux-general-multi"},
    ),
    Case("deepgram-aura", "tts", "deepgram", DeepgramEmulator, lambda emulator: {"base_url": emulator.url}),
]
