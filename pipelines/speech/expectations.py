"""Which expectations have a language model of their own, and whose model serves the others. Knows no decoder."""

from __future__ import annotations

from pipelines.stages import Expect

_SERVED_BY = {
    Expect.NUMBER: Expect.PHONE,
    Expect.EMAIL: Expect.ANYTHING,
    Expect.ADDRESS: Expect.ANYTHING,
    Expect.SPELLING: Expect.NAME,
}

MODELLED = tuple(expect for expect in Expect if expect not in _SERVED_BY)


def model_for(expect: Expect) -> Expect:
    """One of `MODELLED`."""
    return _SERVED_BY.get(expect, expect)
