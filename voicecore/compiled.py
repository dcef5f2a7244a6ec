"""The hot path as machine code: what `voicecore compile` made of these modules is imported in their stead.

Only as long as their sources, and those of what they import, are what they were then; after a change Python reads the
sources again. Tests and tools that import modules themselves always get the sources.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from pathlib import Path
from types import ModuleType

# What every frame and every message passes through. None of them defines a msgspec.Struct (a compiled one loses the
# options of its class), a subclass of a class that is not compiled, or an asynchronous generator.
MODULES = (
    "pipelines.clock",
    "pipelines.conversation",
    "pipelines.crosstalk",
    "pipelines.deadlines",
    "pipelines.ear",
    "pipelines.machines.endpointing",
    "pipelines.machines.line",
    "pipelines.machines.patience",
    "pipelines.machines.playout",
    "pipelines.machines.sentences",
    "pipelines.machines.silence",
    "pipelines.machines.turns",
    "pipelines.minutes",
    "pipelines.mouth",
    "pipelines.pacer",
    "pipelines.providers.webrtc",
    "pipelines.speaker",
    "pipelines.tracing",
    "pipelines.turntaking",
    "voicecore.hearing",
    "voicecore.outgoing",
    "voicecore.recording",
    "voicecore.rota",
    "voicecore.session",
    "voicecore.transports.timeline",
    "voicecore.transports.twilio",
)
SOURCES = Path(__file__).resolve().parents[1]
FOLDER = Path(sys.prefix) / "voicecore-compiled"
MANIFEST = "sources"  # a line for each: digest, path


def digests(paths: Iterable[str], root: Path = SOURCES) -> list[str]:
    """The lines of a manifest. Raises OSError for a source that is not there."""
    return [f"{hashlib.sha256((root / path).read_bytes()).hexdigest()} {path}" for path in paths]


def is_fresh(folder: Path = FOLDER, root: Path = SOURCES) -> bool:
    """Was this compiled by this Python, from these sources?"""
    try:
        version, *lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
        return version == sys.version and lines == digests([line.partition(" ")[2] for line in lines], root)
    except (OSError, ValueError):
        return False


class _Finder:
    """Finds what was compiled, before the sources are looked for."""

    def __init__(self, folder: Path) -> None:
        suffix = EXTENSION_SUFFIXES[0]
        files = folder.rglob(f"*{suffix}")
        self._files = {
            ".".join(path.relative_to(folder).parts).removesuffix(suffix): str(path) for path in sorted(files)
        }

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(name)
        if file is None:
            return None
        return importlib.util.spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))


def prefer(folder: Path = FOLDER) -> bool:
    """From now on compiled modules are imported where there are any that are fresh. To be called before the first of
    them is imported, or it does nothing. Returns whether it did something."""
    if any(name in sys.modules for name in MODULES) or not is_fresh(folder):
        return False
    sys.meta_path.insert(0, _Finder(folder))
    return True


def in_use() -> bool:
    """Is the hot path of this process machine code?"""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)
