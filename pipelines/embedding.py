"""The port to whoever turns texts into vectors. Those of texts that mean the same are near each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # one row a text, each of length 1


class Embedder(Protocol):
    @property
    def model(self) -> str:
        """Vectors of the same name can be compared."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Without a deadline of its own. Raises StageError, whose remedy is STOP where a text itself is refused."""
        ...

    async def close(self) -> None: ...
