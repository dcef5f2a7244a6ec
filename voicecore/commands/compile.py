"""`voicecore compile`: turn the hot path into machine code, so that a core holds more calls."""

from __future__ import annotations

import argparse
import sys
import time

from voicecore import compiled, compiling


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="also when it was compiled from the same sources")


def run(args: argparse.Namespace) -> int:
    if compiled.is_fresh() and not args.force:
        sys.stdout.write("the hot path is compiled already\n")
        return 0
    began_s = time.monotonic()
    compiling.compile_hot_path()
    sys.stdout.write(f"the hot path was compiled in {time.monotonic() - began_s:.0f} s; the next start uses it\n")
    return 0
