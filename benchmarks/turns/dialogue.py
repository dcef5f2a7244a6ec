"""A dialogue with labels, as a folder holds it: `NAME.json` beside the WAV file that it names.

The format is documented in `benchmarks/turns/README.md`. Seconds count from the start of the audio. What does not
fit is refused with the file and the field; nothing is repaired.
"""

from __future__ import annotations

import itertools
import wave
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import soxr
from msgspec import Meta

from pipelines.errors import ValidationError
from pipelines.stages import Expect

Samples = npt.NDArray[np.int16]
Seconds = Annotated[float, Meta(ge=0)]

RATE_HZ = 8000
TOLERANCE_S = 0.001  # labels are rounded to milliseconds


class DialogueError(ValidationError):
    """A folder of dialogues does not hold what the format says. The message names the file and the field."""

    code = "dialogue"

    def __init__(self, file: Path, field: str, reason: str) -> None:
        super().__init__(f"{file}: {field}: {reason}", ((field, reason),))
        self.file = file
        self.field = field


class OverlapKind(StrEnum):
    BACKCHANNEL = "backchannel"
    TIC = "tic"
    NON_DIRECTED = "non_directed"


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything in a label file."""


class Span(Label, frozen=True):
    start_s: Seconds
    end_s: Seconds


class SpokenWord(Label, frozen=True):
    text: str
    start_s: Seconds
    end_s: Seconds


class Turn(Label, frozen=True):
    """The caller's turn: its stretches of speech. What lies between two of them is a hold."""

    speech: Annotated[tuple[Span, ...], Meta(min_length=1)]
    text: str | None = None
    words: tuple[SpokenWord, ...] = ()
    barge_in: bool = False  # begun on purpose while the agent spoke

    @property
    def start_s(self) -> float:
        return self.speech[0].start_s

    @property
    def end_s(self) -> float:
        return self.speech[-1].end_s


class Overlap(Label, frozen=True):
    """A sound of the caller's side that is not meant for the agent; in spite of the name also in a silence."""

    kind: OverlapKind
    start_s: Seconds
    end_s: Seconds
    text: str | None = None


class AgentSpeech(Label, frozen=True):
    """What the agent said in the recording. `ask`: what kind of answer it asked for."""

    start_s: Seconds
    end_s: Seconds
    text: str | None = None
    ask: Expect = Expect.ANYTHING


class Labels(Label, frozen=True):
    """One label file."""

    version: Literal[1]
    audio: str
    language: str
    turns: Annotated[tuple[Turn, ...], Meta(min_length=1)]
    overlaps: tuple[Overlap, ...] = ()
    agent: tuple[AgentSpeech, ...] = ()
    voice: str = ""
    noise: str = "clean"
    snr_db: float | None = None


class Dialogue(msgspec.Struct, frozen=True):
    """Labels and the caller's side of the audio, 8 kHz."""

    name: str
    labels: Labels
    audio: Samples

    @property
    def condition(self) -> str:
        return "clean" if self.labels.snr_db is None else f"{self.labels.snr_db:g} dB"


# --- reading --------------------------------------------------------------------------------------


def load_folder(folder: Path) -> list[Dialogue]:
    """Every `*.json` of a folder, by name. Raises DialogueError."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise DialogueError(folder, "*.json", "there is no label file here")
    return [load(file) for file in files]


def load(file: Path) -> Dialogue:
    """One label file and its audio. Raises DialogueError."""
    try:
        labels = msgspec.json.decode(file.read_bytes(), type=Labels)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise DialogueError(file, path.strip("`").removeprefix("$.") or "$", reason) from error
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise DialogueError(file, "$", str(error)) from error
    if Path(labels.audio).name != labels.audio:
        raise DialogueError(file, "audio", "must name a file in the same folder")
    audio = _caller_channel(file, file.parent / labels.audio)
    _check(file, labels, len(audio) / RATE_HZ)
    return Dialogue(file.stem, labels, audio)


def _caller_channel(file: Path, sound: Path) -> Samples:
    """Left channel at 8 kHz."""
    try:
        with wave.open(str(sound)) as recording:
            channels, width, rate = recording.getnchannels(), recording.getsampwidth(), recording.getframerate()
            data = recording.readframes(recording.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise DialogueError(file, "audio", f"{sound.name}: {error}") from error
    if width != 2 or channels not in (1, 2):
        raise DialogueError(file, "audio", f"{sound.name}: must be 16-bit PCM with one or two channels")
    samples: Samples = np.frombuffer(data, "<i2")[::channels]
    if rate != RATE_HZ:
        samples = soxr.resample(samples, rate, RATE_HZ, quality="HQ")
    return np.ascontiguousarray(samples, dtype=np.int16)


def _check(file: Path, labels: Labels, length_s: float) -> None:
    for index, turn in enumerate(labels.turns):
        _in_order(file, f"turns[{index}].speech", turn.speech, length_s)
        for number, word in enumerate(turn.words):
            place = f"turns[{index}].words[{number}]"
            if not turn.start_s - TOLERANCE_S <= word.start_s <= word.end_s <= turn.end_s + TOLERANCE_S:
                raise DialogueError(file, place, "must lie inside its turn and not end before it starts")
    _in_order(file, "overlaps", labels.overlaps, length_s)
    _in_order(file, "agent", labels.agent, length_s)
    own = [(t.start_s, t.end_s, f"turns[{i}]") for i, t in enumerate(labels.turns)]
    own += [(o.start_s, o.end_s, f"overlaps[{i}]") for i, o in enumerate(labels.overlaps)]
    _apart(file, own)
    if [t.start_s for t in labels.turns] != sorted(t.start_s for t in labels.turns):
        raise DialogueError(file, "turns", "must be in order")


def _in_order(file: Path, field: str, spans: Sequence[Span | Overlap | AgentSpeech], length_s: float) -> None:
    before = 0.0
    for index, span in enumerate(spans):
        place = f"{field}[{index}]"
        if span.end_s <= span.start_s:
            raise DialogueError(file, f"{place}.end_s", "must be after start_s")
        if span.start_s < before - TOLERANCE_S:
            raise DialogueError(file, f"{place}.start_s", "must not be before the end of the one before")
        if span.end_s > length_s + TOLERANCE_S:
            raise DialogueError(file, f"{place}.end_s", f"is beyond the end of the audio ({length_s:.3f} s)")
        before = span.end_s


def _apart(file: Path, own: list[tuple[float, float, str]]) -> None:
    own.sort()
    for (_, end, first), (start, _, second) in itertools.pairwise(own):
        if start < end - TOLERANCE_S:
            raise DialogueError(file, second, f"overlaps {first}: both are the caller's side")


# --- writing --------------------------------------------------------------------------------------


def save(dialogue: Dialogue, folder: Path) -> Path:
    """Write the label file and the caller's audio. Returns the label file."""
    folder.mkdir(parents=True, exist_ok=True)
    with wave.open(str(folder / dialogue.labels.audio), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(dialogue.audio.astype("<i2").tobytes())
    file = folder / f"{dialogue.name}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(dialogue.labels), indent=1))
    return file
