"""From a script in `data/*.yaml` to a dialogue with labels: voices, holds, noise, the timeline of an ideal agent.

The same seed renders the same dialogue. It knows nothing of the agent under test.
"""

from __future__ import annotations

import re
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from benchmarks.callers import Signal
from benchmarks.turns import speech
from benchmarks.turns.dialogue import (
    RATE_HZ,
    AgentSpeech,
    Dialogue,
    DialogueError,
    Labels,
    Overlap,
    OverlapKind,
    Span,
    SpokenWord,
    Turn,
)
from pipelines.audio import Codec, from_pcm16, to_pcm16
from pipelines.stages import Expect

CONDITIONS: tuple[float | None, ...] = (None, 20.0, 10.0, 5.0)  # dB of speech over noise; None: only the line's own
LINE_NOISE_RMS = 16.0  # -66 dBFS
IDEAL_RESPONSE_S = 0.5  # of the agent in the labelled timeline
IDEAL_YIELD_S = 0.3
CHARACTER_S = 0.06  # of the agent's speech
ASIDE_DB = -12.0  # speech to somebody else, away from the telephone
HOLD = re.compile(r"<(\d+)>")
# How long holds of people talking to an agent are: of those from 0.2 s on, this share is shorter than so many seconds.
# From the silence-only baseline of LiveKit's eot-bench (English): 55.6 % longer than 0.3 s, 21.7 % than 0.6 s, 10 %
# than 1.0 s, 5 % than 1.6 s.
HOLD_SHARES = (0.0, 0.444, 0.783, 0.90, 0.95, 1.0)
HOLD_LENGTHS_S = (0.2, 0.3, 0.6, 1.0, 1.6, 2.0)
HOLD_SPREAD = 0.15  # a script's hold takes its rank among all the script's holds, give or take so much


T = TypeVar("T")
Some = Annotated[tuple[T, ...], Meta(min_length=1)]


class Aside(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sound at `at` ms of the answer (or of the silence after it, then `then` ms until the next turn)."""

    at: float
    kind: OverlapKind
    say: str
    then: float = 0.0


class Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    say: str
    agent: str
    ask: Expect = Expect.ANYTHING
    gap: float = 0.0  # ms; 0: drawn
    barge: float = 0.0  # ms into the agent's speech before; 0: after it
    over: tuple[Aside, ...] = ()
    quiet: tuple[Aside, ...] = ()


class ScriptText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    language: str
    greeting: str
    exchanges: tuple[Exchange, ...]


class Half(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of scripts, with the voices and noises that belong to it."""

    voices: dict[str, Some[str]]  # by language: "engine/voice"
    noises: Some[speech.Noise]
    babble: Some[str]  # what people in the background say
    dialogues: Some[ScriptText]


def half(name: str) -> Half:
    """Our own scripts: "dev" or "test"."""
    return msgspec.yaml.decode(files("benchmarks.turns").joinpath(f"data/{name}.yaml").read_bytes(), type=Half)


def load_scripts(file: Path) -> Half:
    """Scripts from outside. Raises DialogueError."""
    try:
        scripts = msgspec.yaml.decode(file.read_bytes(), type=Half)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise DialogueError(file, path.strip("`").removeprefix("$.") or "$", reason) from error
    except (msgspec.DecodeError, OSError) as error:
        raise DialogueError(file, "$", str(error)) from error
    for number, text in enumerate(scripts.dialogues):
        if not installed(scripts.voices.get(text.language, ()), quick=True):
            reason = f'no voice that is installed here speaks "{text.language}"; espeak/… always is'
            raise DialogueError(file, f"dialogues[{number}].language", reason)
    return scripts


def installed(voices: tuple[str, ...], *, quick: bool) -> list[str]:
    """The voices that can be used here; without festival, which takes seconds to start, when it has to be quick."""
    engines = {"espeak"} | ({"flite"} if shutil.which("flite") else set())
    engines |= {"festival"} if shutil.which("text2wave") and not quick else set()
    return [voice for voice in voices if voice.partition("/")[0] in engines]


def render(scripts: Half, *, quick: bool = False) -> list[Dialogue]:
    """Every script in every condition; voices and noises take turns. `quick`: half of the conditions."""
    dialogues = []
    for number, text in enumerate(scripts.dialogues):
        voices = installed(scripts.voices[text.language], quick=quick)
        for place in range(len(CONDITIONS)):
            if quick and place % 2 != number % 2:
                continue
            noise = scripts.noises[(number + place) % len(scripts.noises)]
            dialogues.append(_Rendering(text, voices, place, noise, scripts, seed=17 * number + place).dialogue())
    return dialogues


def holds_of(scripts: Half) -> list[float]:
    """Every hold written in the scripts, in order of length."""
    said = (exchange.say for text in scripts.dialogues for exchange in text.exchanges)
    return sorted(float(hold) for text in said for hold in HOLD.findall(text))


class _Rendering:
    """One dialogue in the making: a timeline that grows."""

    def __init__(
        self, text: ScriptText, voices: list[str], place: int, noise: speech.Noise, scripts: Half, seed: int
    ) -> None:
        self._text = text
        self._voice = voices[seed % len(voices)]
        self._noise = noise
        self._snr_db = CONDITIONS[place]
        self._babble = [(said, voices[number % len(voices)]) for number, said in enumerate(scripts.babble)]
        self._holds = holds_of(scripts)
        self._random = np.random.default_rng(seed)
        self._seed = seed
        self._placed: list[tuple[float, Signal]] = []
        self._turns: list[Turn] = []
        self._overlaps: list[Overlap] = []
        self._agent: list[AgentSpeech] = []
        self._free_s = 0.1  # nobody speaks from then on

    def dialogue(self) -> Dialogue:
        self._agent_says(self._text.greeting, Expect.ANYTHING)
        for exchange in self._text.exchanges:
            self._say(exchange)
            self._agent_says(exchange.agent, exchange.ask)
            for aside in exchange.over:
                self._aside(aside, self._agent[-1].start_s + aside.at / 1000)
            for aside in exchange.quiet:
                self._aside(aside, self._free_s + aside.at / 1000)
                self._free_s = self._overlaps[-1].end_s + aside.then / 1000
        name = f"{self._text.id}-{'clean' if self._snr_db is None else f'{self._snr_db:g}db'}"
        labels = Labels(
            version=1,
            audio=f"{name}.wav",
            language=self._text.language,
            turns=tuple(self._turns),
            overlaps=tuple(self._overlaps),
            agent=tuple(self._agent),
            voice=self._voice,
            noise="clean" if self._snr_db is None else self._noise,
            snr_db=self._snr_db,
        )
        return Dialogue(name, labels, self._mixed())

    def _agent_says(self, text: str, ask: Expect) -> None:
        start = self._free_s + (IDEAL_RESPONSE_S if self._turns else 0.0)
        self._free_s = start + len(text) * CHARACTER_S
        self._agent.append(AgentSpeech(_ms(start), _ms(self._free_s), text, ask))

    def _say(self, exchange: Exchange) -> None:
        gap_s = (exchange.gap or self._random.uniform(300, 900)) / 1000
        if exchange.barge:
            before = self._agent[-1]
            at = before.start_s + exchange.barge / 1000
            self._agent[-1] = msgspec.structs.replace(before, end_s=_ms(at + IDEAL_YIELD_S))
        else:
            waited = bool(self._overlaps) and self._overlaps[-1].start_s > self._agent[-1].end_s  # see `quiet`
            at = self._free_s + (0.0 if waited else gap_s)
        spans: list[Span] = []
        words: list[SpokenWord] = []
        parts = HOLD.split(exchange.say)
        for part, hold in zip(parts[::2], [*parts[1::2], ""], strict=True):
            said = part.strip()
            signal = speech.utterance(said + ("," if hold else ""), self._voice)
            self._placed.append((at, signal))
            inside = [(at + start, at + end) for start, end in speech.stretches(signal)]
            words += _words(said, inside)
            spans += [Span(_ms(start), _ms(end)) for start, end in inside]
            at += len(signal) / RATE_HZ
            if hold:
                at += self._hold_s(float(hold))
        text = " ".join(part.strip() for part in parts[::2])
        self._turns.append(Turn(tuple(spans), text, tuple(words), bool(exchange.barge)))
        self._free_s = at

    def _hold_s(self, written_ms: float) -> float:
        share = np.searchsorted(self._holds, written_ms, side="right") / len(self._holds)
        share += self._random.uniform(-HOLD_SPREAD, HOLD_SPREAD) - 1 / (2 * len(self._holds))
        return float(np.interp(share, HOLD_SHARES, HOLD_LENGTHS_S))

    def _aside(self, aside: Aside, at: float) -> None:
        is_sound = aside.say.startswith("*")
        signal = speech.sound(aside.say, self._seed) if is_sound else speech.utterance(aside.say, self._voice)
        if aside.kind is OverlapKind.NON_DIRECTED:
            signal = signal * 10 ** (ASIDE_DB / 20)
        self._placed.append((at, signal))
        text = None if is_sound else aside.say
        self._overlaps.append(Overlap(aside.kind, _ms(at), _ms(at + len(signal) / RATE_HZ), text))

    def _mixed(self) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        count = int((self._free_s + 2.0) * RATE_HZ)
        mixed = np.zeros(count)
        for at, signal in self._placed:
            start = int(at * RATE_HZ)
            mixed[start : start + len(signal)] += signal
        if self._snr_db is None:
            mixed += np.random.default_rng(self._seed).normal(0, LINE_NOISE_RMS, count)
        else:
            mixed += speech.noise(self._noise, count, self._seed, self._babble) * 10 ** (-self._snr_db / 20)
        pcm = np.clip(mixed, -32768, 32767).astype("<i2").tobytes()
        return np.frombuffer(to_pcm16(from_pcm16(pcm, Codec.ULAW), Codec.ULAW), np.int16)


def _words(text: str, spans: list[tuple[float, float]]) -> list[SpokenWord]:
    """Every word takes its share of the speech, by its characters; silences inside are left out."""
    total = sum(end - start for start, end in spans)
    written = text.split()
    each = total / sum(len(word) + 1 for word in written)
    found, spoken = [], 0.0
    for word in written:
        start, end = _at(spoken, spans), _at(spoken + (len(word) + 1) * each, spans)
        found.append(SpokenWord(word.lower(), _ms(start), _ms(max(start, end))))
        spoken += (len(word) + 1) * each
    return found


def _at(spoken: float, spans: list[tuple[float, float]]) -> float:
    """Where in time so many seconds of speech have been spoken."""
    for start, end in spans:
        if spoken <= end - start + 1e-9:
            return start + spoken
        spoken -= end - start
    return spans[-1][1]


def _ms(seconds: float) -> float:
    return round(float(seconds), 3)
