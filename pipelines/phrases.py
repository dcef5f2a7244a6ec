"""The few sentences that the driver speaks without asking a model: re-prompts, fillers, goodbyes."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec


class Phrases(msgspec.Struct, frozen=True):
    still_there: str
    silent_goodbye: str
    time_is_up: str
    one_moment: str
    apology: str
    giving_up: str
    closing_down: str


@cache
def _all() -> dict[str, Phrases]:
    return msgspec.yaml.decode(
        resources.files("pipelines").joinpath("phrases.yaml").read_bytes(), type=dict[str, Phrases]
    )


def phrases(language: str) -> Phrases:
    """For a language tag; English where there are none."""
    return _all().get(language[:2].lower(), _all()["en"])
