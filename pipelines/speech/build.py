"""Makes the recogniser's models for one agent: `python -m pipelines.speech.build DIRECTORY NICE < phrases.json`.

A process of its own, because it computes for seconds. The directory appears whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pocketsphinx

from pipelines.speech import phrases as own
from pipelines.speech.acoustics import write_telephone_parameters
from pipelines.speech.corpus import Grammar, grammar
from pipelines.speech.expectations import MODELLED
from pipelines.speech.language_model import Trigrams
from pipelines.speech.lexicon import Lexicon
from pipelines.stages import Expect

DICTIONARY = "words.dict"

_ANYTHING = 40_000  # sentences for the general model
_ANSWERS = 24_000  # sentences that answer what was asked, in an expecting model,
_ESCAPES = 16_000  # and sentences that say something else instead
_PHRASE_WEIGHT = 60.0  # one phrase of the agent counts as so many drawn sentences

Sentence = tuple[Sequence[str], float]


def dictionary() -> Path:
    return Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))


def acoustic_model() -> Path:
    return Path(pocketsphinx.get_model_path("en-us/en-us"))


def model_file(expect: Expect | str) -> str:
    return f"{expect}.lm.bin"


def _sentences(drawn: Grammar, expect: Expect, count: int) -> list[Sentence]:
    return [(words, 1.0) for words in drawn.draw(f"say_{expect}", count, seed=1)]


def build(directory: Path, phrases: Sequence[str]) -> None:
    """Fill `directory` with a language model for each of `MODELLED` and a dictionary of all their words."""
    lexicon = Lexicon(dictionary())
    phrases = tuple(phrases)
    drawn = grammar(own.topics(phrases))
    general = _sentences(drawn, Expect.ANYTHING, _ANYTHING)
    said = [(words, _PHRASE_WEIGHT) for phrase in phrases for words in own.sentences(phrase)]
    vocabulary: set[str] = set()
    silent: set[str] = set()
    directory.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(dir=directory.parent, prefix="building-"))
    try:
        for expect in MODELLED:
            sentences = general
            if expect is not Expect.ANYTHING:
                sentences = _sentences(drawn, expect, _ANSWERS) + general[:_ESCAPES]
            kept = list(_pronounceable([*sentences, *said], lexicon, vocabulary, silent))
            _write(Trigrams(kept), workplace / model_file(expect))
        lexicon.write(vocabulary, workplace / DICTIONARY)
        write_telephone_parameters(acoustic_model(), workplace)
        workplace.rename(directory)
    except OSError:
        if not directory.is_dir():  # else: somebody else built the same meanwhile
            raise
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    for word in sorted(silent):
        print(word)  # noqa: T201 - the parent logs what nobody will be heard saying


def _pronounceable(
    sentences: Iterable[Sentence], lexicon: Lexicon, known: set[str], silent: set[str]
) -> Iterable[Sentence]:
    """The sentences without words that have no sound; keeps book in `known` and `silent`."""
    for words, weight in sentences:
        for word in words:
            if word not in known and word not in silent:
                (known if lexicon.pronunciations(word) else silent).add(word)
        yield [word for word in words if word in known], weight


def _write(model: Trigrams, path: Path) -> None:
    text = path.with_suffix(".arpa")
    with text.open("w", encoding="utf-8") as out:
        model.write(out)
    config = pocketsphinx.Config(lm=None, loglevel="FATAL")
    pocketsphinx.NGramModel(config, pocketsphinx.LogMath(), str(text)).write(str(path))
    text.unlink()


if __name__ == "__main__":
    os.umask(0o077)  # phrases are the operator's business
    os.nice(int(sys.argv[2]))
    build(Path(sys.argv[1]), msgspec.json.decode(sys.stdin.buffer.read(), type=list[str]))
