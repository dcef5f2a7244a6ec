"""`python -m benchmarks.engines [--json] [--only whisper|cloud|failover]`: engines of others, and what we add to them.

Prints at least whisper_batch_speedup_16, cloud_overhead_p95_ms and failover_silence_max_s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

import msgspec

PARTS = ("cloud", "failover", "whisper")


async def _cloud() -> dict[str, Any]:
    from benchmarks.engines import cloud

    measured = msgspec.to_builtins(await cloud.measure())
    return {f"cloud_{name}": value for name, value in measured.items()}


async def _failover() -> dict[str, Any]:
    from benchmarks import failover

    return await failover.measure()


async def _whisper() -> dict[str, Any]:
    from benchmarks import whisper

    return await whisper.measure()


async def measure(parts: tuple[str, ...]) -> dict[str, Any]:
    """One part after the other, so that none disturbs another."""
    found: dict[str, Any] = {}
    for name, part in (("cloud", _cloud), ("failover", _failover), ("whisper", _whisper)):
        if name in parts:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            found |= await part()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object and nothing else on stdout")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    found = asyncio.run(measure((arguments.only,) if arguments.only else PARTS))
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:40} {value}")


if __name__ == "__main__":
    main()
