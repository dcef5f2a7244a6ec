"""Which words are names and which are ordinary words of callers: tells "Carter" from "garter belt" misheard.

The lists are those from which the embedded recogniser draws its vocabulary; a word in neither is what a
better recogniser wrote, and may well be a name.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

# First names that are ordinary words too.
_ALSO_NAMES = """
will mark grace bill frank pat sue rose hope joy dean drew max ray jean art rich penny summer ruby jack john don
may june april august price king young hill green white brown black gray rivers stone wood woods moore bell cook
baker miller walker day long short park banks field fields page rice snow winter
"""
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def _text(name: str) -> str:
    return files("pipelines.speech").joinpath("data", name).read_text("utf-8")


@cache
def listed_names() -> frozenset[str]:
    """Lower-case first and last names."""
    return frozenset((_text("first_names.txt") + _text("last_names.txt")).split()) | _also()


@cache
def _also() -> frozenset[str]:
    return frozenset(_ALSO_NAMES.split())


@cache
def _ordinary() -> frozenset[str]:
    return frozenset(_WORD.findall(_text("caller.yaml") + _text("spoken.yaml"))) - listed_names()


def may_be_name(word: str) -> bool:
    """False for an ordinary word that is nobody's name, and for a lone letter."""
    return len(word) > 1 and word not in _ordinary()


def is_listed(word: str) -> bool:
    """A name beyond doubt, wherever it stands; those that are ordinary words too are left out."""
    return word in listed_names() and word not in _also()
