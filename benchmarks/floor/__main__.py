"""What one 20 ms frame costs, step by step, and the whole of our way of it: `python -m benchmarks.floor [--json]`.

Runs on the first core that it may use, on uvloop. Best and median are given: on a busy machine the best is what the
step costs, the median what it cost here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys

import msgspec
import uvloop

from benchmarks.capacity.speech import utterances
from benchmarks.floor import path, sockets, steps
from benchmarks.floor.measure import Step
from pipelines.audio import Codec, to_pcm16
from voicecore.phone import clips


async def everything() -> list[Step]:
    message = path.messages(60)[60]
    speech = [frame for clip in clips.shipped() for frame in clip.frames][:400]
    payload = utterances()[0].payloads[20]
    found = await sockets.steps(message)
    found += steps.decoding(message)
    found += steps.payloads(payload)
    found += steps.samples(speech[20])
    found += steps.detectors([to_pcm16(frame, Codec.ULAW) for frame in speech])
    found += steps.encoding(speech[20])
    found += await path.steps()
    return found


def table(found: list[Step]) -> str:
    lines = ["| step | | best µs | median µs | |", "|---|---|---|---|---|"]
    lines += [f"| {s.group} | {s.name} | {s.best_us or '—'} | {s.median_us or '—'} | {s.note} |" for s in found]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="as data")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = uvloop.run(everything())
    for step in found:
        if step.best_us is None:
            print(f"{step.name}: {step.note}", file=sys.stderr)
    if arguments.json:
        data = {"python": platform.python_version(), "steps": msgspec.to_builtins(found)}
        print(json.dumps(data, indent=1))
    else:
        print(table(found))


if __name__ == "__main__":
    main()
