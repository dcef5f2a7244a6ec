"""A worker's decoders: made for a set of models, lent to one utterance at a time, used again.

A decoder over a small dictionary costs about 12 ms and 3 MB; language models are loaded once and shared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pocketsphinx

from pipelines.speech.build import DICTIONARY, model_file
from pipelines.speech.expectations import MODELLED
from pipelines.stages import Expect


class TooManyUtterances(Exception):
    """The bound on decoders is reached and all of them are in use."""


class Decoders:
    """All decoders of this process, at most `bound`."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._made = 0
        self._models: dict[str, dict[Expect, Any]] = {}
        self._idle: dict[str, list[Any]] = {}  # by models, least recently used first

    def prepare(self, models: str, count: int) -> None:
        """Have `count` idle decoders, as far as the bound allows. Raises RuntimeError for unusable models."""
        taken = [self.take(models) for _ in range(min(count, self._bound - self._made))]
        for decoder in taken:
            self.give_back(models, decoder)

    def take(self, models: str) -> Any:
        """A decoder whose searches are named after `Expect`. Raises TooManyUtterances."""
        idle = self._idle.get(models)
        if idle:
            return idle.pop()
        if self._made >= self._bound:
            self._discard_one()
        decoder = self._make(models)
        self._made += 1
        return decoder

    def give_back(self, models: str, decoder: Any) -> None:
        self._idle.setdefault(models, []).append(decoder)
        self._idle[models] = self._idle.pop(models)

    def _discard_one(self) -> None:
        for models, idle in self._idle.items():
            if idle:
                idle.pop()
                self._made -= 1
                if not idle:
                    del self._idle[models]
                    self._models.pop(models, None)  # decoders that are lent out keep theirs alive
                return
        raise TooManyUtterances(f"{self._bound} utterances are being recognised already")

    def _make(self, models: str) -> Any:
        directory = Path(models)
        config = pocketsphinx.Config(
            lm=None,
            dict=str(directory / DICTIONARY),
            mean=str(directory / "means"),
            var=str(directory / "variances"),
            fwdflat=False,
            loglevel="FATAL",
        )
        decoder = pocketsphinx.Decoder(config)
        shared = self._models.get(models)
        if shared is None:
            shared = self._models[models] = {
                expect: pocketsphinx.NGramModel(config, decoder.logmath, str(directory / model_file(expect)))
                for expect in MODELLED
            }
        for expect, model in shared.items():
            decoder.add_lm(expect.value, model)
        return decoder
