"""Every engine behind a network, with the emulator that plays its provider; `cases_*.py` beside it add their own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.emulators.base import Emulator


class Case(msgspec.Struct, frozen=True):
    """`make`d by `registry.make(stage, provider, options(emulator))`."""

    name: str
    stage: str
    provider: str
    emulator: Callable[[], Emulator]
    options: Callable[[Emulator], dict[str, Any]]
    tells_retry_after: bool = True  # its protocol has a way to say when to come again


def cases(stage: str) -> list[Case]:
    modules = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
    found = [case for name in modules for case in importlib.import_module(name).CASES]
    return [case for case in found if case.stage == stage]
