"""Piper in a worker process: its voices, loaded once, each a network and a configuration beside it.

piper-tts is GPL-3 with espeak-ng inside; this module is the only one that imports it, and it is only ever run as a
program of its own. API: piper-tts 1.8 `PiperVoice`, `PiperConfig`, `SynthesisConfig`.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pipelines.providers._neural_voice import load_session, utter
from pipelines.providers._voice_child import DECODER, EngineError, Hearer, Refused, Sound, run
from pipelines.providers._voice_messages import Request, Speak
from pipelines.worker_child import CannotWork, Loop, serve

_WHERE = (
    "voices are at https://huggingface.co/rhasspy/piper-voices: `python -m piper.download_voices en_US-lessac-medium "
    "--download-dir FOLDER` gets one; the option `models` lists the paths of their .onnx files, each with its "
    ".onnx.json beside it"
)
_SPEEDS = (0.3, 3.0)


class _Voice(msgspec.Struct, frozen=True):
    name: str
    network: Any  # a PiperVoice
    language: str  # "en-us"
    speakers: dict[str, int]  # by name and by number


class Piper:
    """`models`: paths of .onnx files. A voice is called like its file; the first one of a language is its default."""

    def __init__(self, models: Sequence[str], threads: int) -> None:
        piper: Any = _package()
        self._synthesis: Any = piper.SynthesisConfig
        loaded = [_load(piper, path, threads) for path in models]
        self._voices = {voice.name: voice for voice in loaded}
        self._voice, self._config = loaded[0], None
        for voice in loaded:  # the first run of a network is its slowest
            self._voice = voice
            try:
                self._run("Hello.")
            except EngineError as error:
                raise CannotWork(f"the voice {voice.name} loads but does not speak: {error}") from error

    def select(self, request: Speak) -> Sound:
        name, slash, speaker = request.voice_id.partition("/")
        voice = self._voices.get(name) if name else self._speaking(request.language)
        if voice is None and not name:
            raise Refused(f'no voice for the language "{request.language}"')
        if voice is None or (slash and speaker not in voice.speakers):
            raise Refused(f'no voice "{request.voice_id}"; there are: {", ".join(self._voices)}')
        speed = min(max(request.speed, _SPEEDS[0]), _SPEEDS[1])
        self._voice = voice
        self._config = self._synthesis(
            speaker_id=voice.speakers.get(speaker),
            length_scale=voice.network.config.length_scale / speed,
            normalize_audio=False,
        )
        return Sound(voice.network.config.sample_rate, 0.0)

    def speak(self, segment: str, hearer: Hearer) -> None:
        chunks = self._run(segment)
        if not chunks:
            return
        samples = np.concatenate([chunk.audio_float_array for chunk in chunks])
        rate_hz = self._voice.network.config.sample_rate
        utter(samples, rate_hz, segment, self._phonemes, _edges(chunks), hearer)

    def _run(self, segment: str) -> list[Any]:
        if not any(character.isalnum() for character in segment):
            return []
        try:
            return list(self._voice.network.synthesize(segment, self._config, include_alignments=True))
        except Exception as error:  # onnxruntime's errors share no base class
            raise EngineError(f"the network failed: {error}") from error

    def _phonemes(self, word: str) -> int:
        return sum(len(sentence) for sentence in self._voice.network.phonemize(word))

    def _speaking(self, language: str) -> _Voice | None:
        tag = language.lower().replace("_", "-")
        voices = list(self._voices.values())
        exact = [voice for voice in voices if voice.language == tag]
        near = [voice for voice in voices if voice.language.partition("-")[0] == tag.partition("-")[0]]
        return next(iter(exact + near if tag else voices), None)


def _edges(chunks: Sequence[Any]) -> list[float]:
    """Where each phoneme begins, of voices that tell it (a second output of the network, as piper's patch adds it)."""
    lengths: list[int] = []
    for chunk in chunks:
        if chunk.phoneme_alignments is None:
            return []
        lengths += [one.num_samples for one in chunk.phoneme_alignments]
    return [0.0, *np.cumsum(lengths).astype(float).tolist()]


def _package() -> Any:
    logging.getLogger("piper").setLevel(
        logging.ERROR
    )  # a phoneme that a voice lacks is none of the operator's business
    try:
        return importlib.import_module("piper")
    except ImportError as error:
        raise CannotWork(f"piper-tts is not installed ({error.name}): pip install 'voicecore[piper]'") from error


def _load(piper: Any, path: str, threads: int) -> _Voice:
    """Raises CannotWork, with where voices are to be had."""
    try:
        described = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
        config = piper.config.PiperConfig.from_dict(described)
        session = load_session(path, threads)
    except OSError as error:
        raise CannotWork(f"{error.filename} cannot be read; {_WHERE}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CannotWork(f"{path}.json does not describe a voice of Piper's: {error!r}") from error
    except CannotWork as error:
        raise CannotWork(f"{error}; {_WHERE}") from error
    language = described.get("language", {}).get("code") or config.espeak_voice
    numbers = {str(number): number for number in range(config.num_speakers)}
    return _Voice(
        name=Path(path).stem,
        network=piper.PiperVoice(session=session, config=config),
        language=language.lower().replace("_", "-"),
        speakers=numbers | dict(config.speaker_id_map),
    )


def _prepare(arguments: Sequence[str]) -> Loop[Request]:
    threads, *models = arguments
    return run(Piper(models, int(threads)))


if __name__ == "__main__":
    serve(DECODER, _prepare)
