"""ElevenLabs for the contract suites."""

from cloud_cases import Case

from benchmarks.emulators.elevenlabs import ElevenLabsEmulator

CASES = [
    Case("elevenlabs", "tts", "elevenlabs", ElevenLabsEmulator, lambda emulator: {"base_url": emulator.url}),
    Case(
        "elevenlabs-http",
        "tts",
        "elevenlabs",
        ElevenLabsEmulator,
        lambda emulator: {"base_url": emulator.url, "mode": "http"},
    ),
    Case("elevenlabs", "stt", "elevenlabs", ElevenLabsEmulator, lambda emulator: {"base_url": emulator.url}),
]
