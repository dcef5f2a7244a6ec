"""Cartesia's voices and recogniser for the contract suites."""

from __future__ import annotations

from cloud_cases import Case

from benchmarks.emulators.cartesia import CartesiaEmulator

CASES = [
    Case(f"cartesia-{stage}", stage, "cartesia", CartesiaEmulator, lambda emulator: {"base_url": emulator.url})
    for stage in ("stt", "tts")
]
