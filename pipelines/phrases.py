"""The few sentences that the driver speaks without asking a model: re-prompts, fillers, goodbyes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

import msgspec

from pipelines.events import EndReason
from pipelines.machines.sentences import SentenceChunker


class Phrases(msgspec.Struct, frozen=True):
    still_there: str
    silent_goodbye: str
    time_is_up: str
    how_can_i_help: str  # when the greeting cannot be spoken
    one_moment: str
    still_working: str  # after that
    apology: str
    giving_up: str
    closing_down: str

    def goodbye(self, reason: EndReason) -> str:
        """The closing sentence of a call that ends for this reason."""
        if reason is EndReason.MAX_DURATION:
            return self.time_is_up
        return self.silent_goodbye if reason is EndReason.CALLER_SILENT else self.closing_down


@cache
def _all() -> dict[str, Phrases]:
    return msgspec.yaml.decode(
        resources.files("pipelines").joinpath("phrases.yaml").read_bytes(), type=dict[str, Phrases]
    )


def first_aid(language: str) -> list[str]:
    """What is said when something fails, cut as it is given to a voice."""
    said = phrases(language)
    return cut((said.one_moment, said.still_working, said.apology, said.giving_up))


def all_sentences() -> frozenset[str]:
    """Everything that the driver ever says by itself, cut as it is given to a voice."""
    return frozenset(sentence for said in _all().values() for sentence in cut(msgspec.structs.astuple(said)))


def cut(texts: Iterable[str]) -> list[str]:
    """Fixed texts, as they are given to a voice."""
    found = []
    for text in texts:
        chunker = SentenceChunker()
        found += [chunk for chunk in (*chunker.feed(text), chunker.finish()) if chunk]
    return found


def phrases(language: str) -> Phrases:
    """For a language tag; English where there are none."""
    return _all().get(language[:2].lower(), _all()["en"])
