"""Kokoro in a worker process: one network for many voices, whose phonemes come from espeak-ng.

kokoro-onnx is MIT, but brings phonemizer and espeak-ng, which are GPL-3: this module is the only one that imports them,
and it is only ever run as a program of its own. API: kokoro-onnx 0.6 `Kokoro`, phonemizer 3.4 `EspeakBackend`.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.providers._neural_voice import Floats, load_session, utter
from pipelines.providers._voice_child import DECODER, EngineError, Hearer, Refused, Sound, run
from pipelines.providers._voice_messages import Request, Speak
from pipelines.worker_child import CannotWork, Loop, serve

RATE_HZ = 24000
_SPEEDS = (0.5, 2.0)  # what the package takes
_WHERE = (
    "kokoro-v1.0.onnx (or its fp16 and int8 sisters) and voices-v1.0.bin are at "
    "https://github.com/thewh1teagle/kokoro-onnx/releases; the options `model` and `voices` are their paths"
)
# A voice's name begins with its language and its sex: "af_heart". Language of espeak-ng, and the voice taken when none
# is named. Japanese (j) and Chinese (z) were trained on phonemes that espeak-ng does not make.
_NAME = re.compile(r"[a-z][fm]_")
_LANGUAGES = {
    "a": ("en-us", "af_heart"),
    "b": ("en-gb", "bf_emma"),
    "e": ("es", "ef_dora"),
    "f": ("fr-fr", "ff_siwis"),
    "h": ("hi", "hf_alpha"),
    "i": ("it", "if_sara"),
    "p": ("pt-br", "pf_dora"),
}
_CLOCK = re.compile(r"(?<=\d):(?=\d)")  # phonemizer would make two sentences of 10:30


class Kokoro:
    def __init__(self, model: str, voices: str, threads: int) -> None:
        package, self._backend = _packages()
        try:
            if not Path(voices).is_file():
                raise CannotWork(f"no file {voices}")
            self._kokoro: Any = package.Kokoro.from_session(load_session(model, threads), voices)
        except CannotWork as error:
            raise CannotWork(f"{error}; {_WHERE}") from error
        except (ValueError, OSError, EOFError) as error:
            raise CannotWork(f"{voices} holds no voices: {error}; {_WHERE}") from error
        self._names: list[str] = sorted(getattr(self._kokoro.voices, "files", []))
        if not self._names:
            raise CannotWork(f"{voices} holds no voices; {_WHERE}")
        self._styles: dict[str, Floats] = {}
        self._speakers: dict[str, Any] = {}  # phonemizers by language
        self._style, self._speed, self._phonemizer = self._voice(self._names[0]), 1.0, self._speaks("en-us")
        try:
            self._run(self._phonemes("Hello."))  # the first run of a network is its slowest
        except EngineError as error:
            raise CannotWork(f"{model} loads but does not speak: {error}") from error

    def select(self, request: Speak) -> Sound:
        name = request.voice_id or self._default(request.language)
        if name not in self._names:
            raise Refused(f'no voice "{name}"; there are: {", ".join(self._names)}')
        language = request.language.lower().replace("_", "-")
        if _NAME.match(name):
            if name[0] not in _LANGUAGES:
                raise Refused(f'no voice "{name}": espeak-ng does not make the phonemes of its language')
            language = _LANGUAGES[name[0]][0]
        self._phonemizer = self._speaks(language)
        self._style = self._voice(name)
        self._speed = min(max(request.speed, _SPEEDS[0]), _SPEEDS[1])
        return Sound(RATE_HZ, 0.0)

    def speak(self, segment: str, hearer: Hearer) -> None:
        phonemes = self._phonemes(segment)
        if not any(phoneme.isalpha() for phoneme in phonemes):
            return
        samples, timings = self._run(phonemes)
        edges = [one.start * RATE_HZ for one in timings]
        edges += [one.end * RATE_HZ for one in timings[-1:]]
        utter(samples, RATE_HZ, segment, lambda word: len(self._phonemes(word)), edges, hearer)

    def _run(self, phonemes: str) -> tuple[Floats, list[Any]]:
        try:
            samples, _, timings = self._kokoro.create_timed(
                phonemes, self._style, self._speed, is_phonemes=True, trim=False, sentence_pause=0.0, clause_pause=0.0
            )
        except Exception as error:  # onnxruntime's errors share no base class
            raise EngineError(f"the network failed: {error}") from error
        return np.asarray(samples, np.float32), timings

    def _phonemes(self, text: str) -> str:
        """What the network knows of them."""
        lines = self._phonemizer.phonemize([_CLOCK.sub(" ", text)], strip=True)
        known: str = self._kokoro.tokenizer.known(" ".join(lines))
        return known.strip()

    def _default(self, language: str) -> str:
        tag = language.lower().replace("_", "-") or "en"
        exact = [letter for letter, (known, _) in _LANGUAGES.items() if known == tag]
        near = [letter for letter, (known, _) in _LANGUAGES.items() if known[:2] == tag.partition("-")[0]]
        for letter in exact + near:
            names = [name for name in self._names if name[0] == letter]
            if names:
                preferred = _LANGUAGES[letter][1]
                return preferred if preferred in names else names[0]
        raise Refused(f'no voice for the language "{language}"')

    def _voice(self, name: str) -> Floats:
        if name not in self._styles:
            self._styles[name] = self._kokoro.get_voice_style(name)
        return self._styles[name]

    def _speaks(self, language: str) -> Any:
        if language not in self._speakers:
            try:
                self._speakers[language] = self._backend(
                    language, preserve_punctuation=True, with_stress=True, language_switch="remove-flags"
                )
            except RuntimeError as error:
                raise Refused(f'no voice for the language "{language}"') from error
        return self._speakers[language]


def _packages() -> tuple[Any, Any]:
    logging.getLogger("phonemizer").setLevel(logging.ERROR)
    try:
        return importlib.import_module("kokoro_onnx"), importlib.import_module("phonemizer.backend").EspeakBackend
    except ImportError as error:
        raise CannotWork(f"kokoro-onnx is not installed ({error.name}): pip install 'voicecore[kokoro]'") from error


def _prepare(arguments: Sequence[str]) -> Loop[Request]:
    threads, model, voices = arguments
    return run(Kokoro(model, voices, int(threads)))


if __name__ == "__main__":
    serve(DECODER, _prepare)
