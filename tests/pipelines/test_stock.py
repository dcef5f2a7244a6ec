"""Sentences kept as audio."""

from __future__ import annotations

import msgspec
from scripted import Codebook, Speaker

from pipelines.audio import TELEPHONE, AudioFormat, Codec
from pipelines.stages import TtsChunk, Voice
from pipelines.stock import MOST_SHELVES, Stock

AUDIO = (TtsChunk(b"one"), TtsChunk(b"moment"))


def test_only_what_was_named_is_kept() -> None:
    shelf = Stock({"One moment."}).shelf(Speaker(Codebook()), Voice(), TELEPHONE)
    shelf.put("One moment.", AUDIO)
    shelf.put("Your number is 4711.", AUDIO)
    assert shelf.get("One moment.") == AUDIO
    assert shelf.get("Your number is 4711.") is None


def test_every_voice_and_format_has_its_own() -> None:
    stock, engine = Stock({"One moment."}), Speaker(Codebook())
    stock.shelf(engine, Voice("anna", settings={"a": 1}), TELEPHONE).put("One moment.", AUDIO)
    assert stock.shelf(engine, Voice("anna", settings={"a": 1}), TELEPHONE).get("One moment.") == AUDIO
    for voice, audio_format in (
        (Voice("anna"), TELEPHONE),
        (msgspec.structs.replace(Voice("anna", settings={"a": 1}), speed=1.2), TELEPHONE),
        (Voice("anna", settings={"a": 1}), AudioFormat(Codec.PCM16, 16000)),
    ):
        assert stock.shelf(engine, voice, audio_format).get("One moment.") is None
    assert stock.shelf(Speaker(Codebook()), Voice("anna", settings={"a": 1}), TELEPHONE).get("One moment.") is None


def test_there_is_an_end_to_it() -> None:
    stock, engine = Stock({"One moment."}), Speaker(Codebook())
    for number in range(MOST_SHELVES + 5):
        stock.shelf(engine, Voice(str(number)), TELEPHONE).put("One moment.", AUDIO)
    kept = [stock.shelf(engine, Voice(str(number)), TELEPHONE).get("One moment.") for number in range(MOST_SHELVES + 5)]
    assert kept == [AUDIO] * MOST_SHELVES + [None] * 5
