"""Counts sentences into a smoothed trigram model and writes it as ARPA text. Knows words, not sounds.

A generated corpus is over-sure of itself: a context said ten thousand times was only ever followed by what
its templates allow. So at every order a fixed share of the probability is kept for the order below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

_BITS = 20  # of a word's number inside a packed n-gram
_MASK = (1 << _BITS) - 1
_PAIR_MASK = (1 << 2 * _BITS) - 1
_DISCOUNT = 0.7  # absolute discounting: Ney, Essen, Kneser 1994
_ESCAPE = 0.02  # kept at each order for what the templates never say
_UNIFORM = 0.01  # of the unigrams, spread over all words
_START, _END = "<s>", "</s>"


class _Counts:
    """Distinct packed n-grams, ascending; the share of each in its context and what each context leaves over."""

    def __init__(self, grams: Ids, weights: Values) -> None:
        self.grams, inverse = np.unique(grams, return_inverse=True)
        counts = np.bincount(inverse, weights)
        self.contexts, self.context_of = np.unique(self.grams >> _BITS, return_inverse=True)
        totals = np.bincount(self.context_of, counts)
        self.share = np.maximum(counts - _DISCOUNT, 0.0) / totals[self.context_of]
        self.left = 1.0 - np.bincount(self.context_of, self.share)


class Trigrams:
    """A backing-off trigram model over the words of its sentences."""

    def __init__(self, sentences: Iterable[tuple[Sequence[str], float]]) -> None:
        """`sentences` are (words, weight); at least one."""
        self.words = [_START, _END]
        stream: list[int] = []
        weights: list[float] = []
        numbers = {_START: 0, _END: 1}
        for words, weight in sentences:
            stream.append(0)
            for word in words:
                number = numbers.get(word)
                if number is None:
                    number = numbers[word] = len(self.words)
                    self.words.append(word)
                stream.append(number)
            stream.append(1)
            weights.extend([weight] * (len(words) + 2))
        self._estimate(np.array(stream, np.int64), np.array(weights))

    def _estimate(self, ids: Ids, weights: Values) -> None:
        spoken = ids != 0
        domain = np.bincount(ids[spoken], weights[spoken], len(self.words))
        self._p1 = (1 - _UNIFORM) * domain / domain.sum() + _UNIFORM / len(self.words)
        pairs = (ids[:-1] << _BITS) | ids[1:]
        inside = ids[1:] != 0
        two = _Counts(pairs[inside], weights[1:][inside])
        triples = (pairs[:-1] << _BITS) | ids[2:]
        whole = inside[:-1] & inside[1:]
        three = _Counts(triples[whole], weights[2:][whole])

        self._g2, lower = two.grams, _ESCAPE + (1 - _ESCAPE) * two.left
        self._p2 = (1 - _ESCAPE) * two.share + lower[two.context_of] * self._p1[two.grams & _MASK]
        self._bow1 = np.ones(len(self.words))
        self._bow1[two.contexts] = lower

        self._g3, lower = three.grams, _ESCAPE + (1 - _ESCAPE) * three.left
        below = self._p2[np.searchsorted(self._g2, three.grams & _PAIR_MASK)]
        self._p3 = (1 - _ESCAPE) * three.share + lower[three.context_of] * below
        self._bow2 = np.ones(len(self._g2))
        self._bow2[np.searchsorted(self._g2, three.contexts)] = lower

    def write(self, out: TextIO) -> None:
        """ARPA text: log10 probabilities and back-off weights."""
        words = self.words
        p1, p2, p3, bow1, bow2 = (
            np.log10(values).round(4).tolist() for values in (self._p1, self._p2, self._p3, self._bow1, self._bow2)
        )
        p1[0] = -99.0  # nothing is ever followed by a start
        out.write(f"\\data\\\nngram 1={len(p1)}\nngram 2={len(p2)}\nngram 3={len(p3)}\n\n\\1-grams:\n")
        out.writelines(f"{p} {word} {bow}\n" for p, word, bow in zip(p1, words, bow1, strict=True))
        out.write("\n\\2-grams:\n")
        high, low = (self._g2 >> _BITS).tolist(), (self._g2 & _MASK).tolist()
        out.writelines(f"{p} {words[a]} {words[b]} {w}\n" for p, a, b, w in zip(p2, high, low, bow2, strict=True))
        out.write("\n\\3-grams:\n")
        first, middle, last = ((self._g3 >> shift & _MASK).tolist() for shift in (2 * _BITS, _BITS, 0))
        out.writelines(
            f"{p} {words[a]} {words[b]} {words[c]}\n" for p, a, b, c in zip(p3, first, middle, last, strict=True)
        )
        out.write("\n\\end\\\n")
