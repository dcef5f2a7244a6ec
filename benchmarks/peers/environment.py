"""The peer's virtual environment: made once, from the package registry, outside the project's own.

Refuses to touch the project's environment. The place can be given; by default it is in the user's cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = ("pipecat-ai[silero,websocket]==1.14.0", "uvicorn[standard]")
INSTALL_TIMEOUT_S = 600


class PeerMissing(RuntimeError):
    """The peer cannot be had here; the message says why."""


def default_place() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "voicecore-benchmark-peers"


def ensure(place: Path) -> Path:
    """The Python of the peer's environment, installed if need be. Raises PeerMissing."""
    python = place / "bin" / "python"
    if python.exists() and _version(python):
        return python
    try:
        venv.create(place, with_pip=True, clear=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS],
            check=True,
            capture_output=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except (subprocess.SubprocessError, OSError) as error:
        detail = getattr(error, "stderr", None) or b""
        raise PeerMissing(f"{REQUIREMENTS[0]} cannot be installed: {error} {detail[-500:]!r}") from error
    if not _version(python):
        raise PeerMissing(f"{REQUIREMENTS[0]} is installed in {place} and does not import")
    return python


def _version(python: Path) -> str:
    code = "from importlib.metadata import version; import pipecat, uvicorn; print(version('pipecat-ai'))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout.strip().splitlines()[-1] if done.returncode == 0 else ""


def version(python: Path) -> str:
    """As installed."""
    return _version(python)


if __name__ == "__main__":
    print(ensure(Path(sys.argv[1]) if len(sys.argv) > 1 else default_place()))
