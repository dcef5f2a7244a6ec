"""Whether a text that the network wrote was said by anybody. It hears nothing itself: figures and words decide."""

from __future__ import annotations

import re
import zlib
from enum import StrEnum
from functools import cache
from importlib import resources

import msgspec

# Thresholds of OpenAI's own decoder (`transcribe.py` in openai/whisper).
NO_SPEECH = 0.6
WORST_LOGPROB = -1.0
COMPRESSION = 2.4

DOUBT = 0.3  # of no speech: enough to disbelieve a courtesy
DOUBT_LOGPROB = -0.8
REPEATS = 4  # of the same words at the end of a text: nobody says a thing so often, a network in a loop does


class Doubt(StrEnum):
    """Why a text is not believed."""

    NO_SPEECH = "no_speech"
    PHANTOM = "phantom"
    LOOP = "loop"


class Phantoms(msgspec.Struct, frozen=True):
    credits: frozenset[str]
    courtesies: frozenset[str]


@cache
def phantoms() -> Phantoms:
    data = resources.files("pipelines.whisper").joinpath("phantoms.yaml").read_bytes()
    return msgspec.yaml.decode(data, type=Phantoms)


def doubt(text: str, avg_logprob: float, no_speech: float) -> Doubt | None:
    """None: it is believed. `avg_logprob` per token; `no_speech`: the network's probability that there is none."""
    if no_speech > NO_SPEECH and avg_logprob < WORST_LOGPROB:
        return Doubt.NO_SPEECH
    if _is_phantom(text, unsure=no_speech > DOUBT or avg_logprob < DOUBT_LOGPROB):
        return Doubt.PHANTOM
    return Doubt.LOOP if compression(text) > COMPRESSION or loops(text) else None


def compression(text: str) -> float:
    """How much smaller zlib makes it: text that repeats itself becomes very small."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def loops(text: str) -> bool:
    """The last sentence, of at least three words, has come several times in a row."""
    words = _plain(text).split()
    lengths = range(3, len(words) // REPEATS + 1)
    return any(words[-length:] * REPEATS == words[-length * REPEATS :] for length in lengths)


def _is_phantom(text: str, *, unsure: bool) -> bool:
    """Every sentence of it is one."""
    known = phantoms().credits | (phantoms().courtesies if unsure else frozenset())
    sentences = [_plain(part) for part in re.split(r"[.!?。！？]+(?:\s|$)", text)]
    said = [sentence for sentence in sentences if sentence]
    return bool(said) and (all(one in known for one in said) or _plain(text) in known)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", text.lower().replace("-", " ")).split())
