"""The vectors of one organization's articles, and which of them are nearest to a question's: every one is compared.

It knows no database and no provider.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from pipelines.embedding import Vectors
from voicecore.storage.embeddings import Extent

SIZE = np.dtype("<f4").itemsize

Stored = tuple[int, str, bytes]  # seq, the article's uid, vector


def stored(vector: Vectors) -> bytes:
    return vector.astype("<f4").tobytes()


class Collection(msgspec.Struct, frozen=True):
    """Vectors of another length than `width` are of no use to a question, and not here."""

    extent: Extent
    width: int
    uids: tuple[str, ...] = ()
    matrix: Vectors | None = None

    @property
    def bytes(self) -> int:
        return 0 if self.matrix is None else self.matrix.nbytes

    def nearest(self, question: Vectors, count: int) -> list[tuple[str, float]]:
        """Articles' uids with their cosine, best first."""
        if self.matrix is None or not self.uids:
            return []
        cosines = self.matrix @ question
        best = np.argsort(-cosines, kind="stable")[:count]
        return [(self.uids[at], float(cosines[at])) for at in best]


class Addition:
    """What comes to a collection, piece by piece, in the order of `seq`."""

    def __init__(self, to: Collection) -> None:
        self._width, self._extent = to.width, to.extent
        self._uids = list(to.uids)
        self._parts = [] if to.matrix is None else [to.matrix]

    def take(self, piece: Sequence[Stored]) -> None:
        fitting = [row for row in piece if len(row[2]) == self._width * SIZE]
        raw = np.frombuffer(b"".join(row[2] for row in fitting), dtype="<f4").reshape(len(fitting), self._width)
        self._parts.append(raw.astype(np.float32, copy=False))
        self._uids += [row[1] for row in fitting]
        self._extent = Extent(self._extent.count + len(piece), piece[-1][0])

    def done(self) -> Collection:
        """Copies it all, once: in a thread."""
        matrix = np.vstack(self._parts) if self._parts else None
        return Collection(self._extent, self._width, tuple(self._uids), matrix)
