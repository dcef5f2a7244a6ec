"""What the receptionist says, per language: short sentences that a voice can read. Data and its lookup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

Text = str | tuple[str, ...]


class Wording(msgspec.Struct, frozen=True):
    """Sentences by key; a tuple holds wordings for the first, second … time."""

    language: str
    sentences: Mapping[str, Text]
    conjunction_or: str
    conjunction_and: str

    def say(self, key: str, values: Mapping[str, str], variant: int = 0) -> str:
        text = self.sentences[key]
        if not isinstance(text, str):
            text = text[min(variant, len(text) - 1)]
        return text.format_map(values)

    def either(self, items: Sequence[str]) -> str:
        return self._joined(items, self.conjunction_or)

    def both(self, items: Sequence[str]) -> str:
        return self._joined(items, self.conjunction_and)

    @staticmethod
    def _joined(items: Sequence[str], conjunction: str) -> str:
        if len(items) < 2:
            return "".join(items)
        return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"


@cache
def wording(language: str) -> Wording:
    """English for a language that we do not have."""
    if language.startswith("de"):
        from pipelines.brain.wording_de import GERMAN

        return GERMAN
    from pipelines.brain.wording_en import ENGLISH

    return ENGLISH
