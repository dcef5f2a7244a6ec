"""The process of the command `voicecore`, also as `python -m voicecore`."""

import sys

from voicecore import compiled


def start() -> int:
    """Exit status of the command line."""
    compiled.prefer()
    from voicecore.cli import main  # only now: it may import what was compiled

    return main()


if __name__ == "__main__":
    sys.exit(start())
