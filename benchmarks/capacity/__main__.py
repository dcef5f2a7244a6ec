"""Calls per core: ours, the floor and the peers, measured one after another on the same core.

`python -m benchmarks.capacity --json` (about 15 minutes), `--quick` (ours and the floor, under 4 minutes),
`--only ours|floor|peers|peer_default|…`, `--calls N --seconds S` for one point, `--url` for a server that already runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop
from picows import WSError

from benchmarks.capacity import servers
from benchmarks.capacity.expected import expected_ms
from benchmarks.capacity.figures import Expected, percentile
from benchmarks.capacity.generator import Dial, Generator, direct, through_webhook
from benchmarks.capacity.processes import ServerFailed, ServerProcess, cores
from benchmarks.capacity.report import headline, markdown, show_point
from benchmarks.capacity.search import Found, Plan, Search, core_noise
from benchmarks.capacity.servers import Contender, Running, Waits
from benchmarks.capacity.speech import utterances
from benchmarks.peers import environment

PARTS = ("ours", "ours_neural", "floor", "peer_default", "peer_silero", "peer_external")
SHARE_S = {"ours": 300.0, "ours_neural": 210.0, "floor": 170.0}
SHARE_S |= {"peer_default": 110.0, "peer_silero": 110.0, "peer_external": 130.0}
QUICK_SHARE_S = {"ours": 120.0, "floor": 75.0}


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def running(contender: Contender, core: int) -> AsyncIterator[tuple[ServerProcess, Running, float]]:
    """A fresh server on `core`, its folder gone afterwards. Third: seconds from process start to a first call."""
    with tempfile.TemporaryDirectory(prefix=f"capacity-{contender.name}-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        started = contender.start(folder)
        server = ServerProcess(started.command, core, folder / "log", started.environment)
        server.start()
        try:
            await server.until_listening(started.port)
            yield server, started, await _first_call_s(server, started.media_url)
        finally:
            await asyncio.to_thread(server.stop)


async def _first_call_s(server: ServerProcess, url: str) -> float:
    """Process start → a call is accepted (the upgrade is answered and the stream started)."""
    while True:
        async with Generator(direct(url), utterances()) as one:
            await one.resize(1, per_second=1000.0)
            if len(one) == 1:
                return time.monotonic() - server.started_s
        server.check()
        await asyncio.sleep(0.02)


async def start_up_s(contender: Contender, core: int, times: int) -> list[float]:
    """First call after process start, on a fresh data directory each time."""
    figures = []
    for _ in range(times):
        async with running(contender, core) as (_, _, first_call_s):
            figures.append(first_call_s)
    return figures


async def measure(contender: Contender, core: int, plan: Plan) -> tuple[Found, float]:
    try:
        async with (
            running(contender, core) as (server, started, first_call_s),
            Generator(direct(started.media_url), utterances()) as generator,
        ):
            search = Search(server, generator, contender, plan)
            return await search.run(lambda point: log(show_point(contender.name, point))), first_call_s
    except (ServerFailed, WSError) as error:
        return Found(contender.name, failure=str(error)), 0.0


async def at_half(contender: Contender, core: int, calls: int, seconds: float) -> dict[str, Any]:
    """Latency with half the calls, then interruptions with half the calls."""
    async with running(contender, core) as (server, started, _):
        async with Generator(direct(started.media_url), utterances()) as generator:
            point = await Search(server, generator, contender, Plan()).point(calls, seconds)
            log(show_point(f"{contender.name} (half)", point))
        async with Generator(direct(started.media_url), utterances(), barge_in=True) as generator:
            await Search(server, generator, contender, Plan()).point(calls, seconds)
            barge_ins = generator.figures.barge_ins_ms
    return {
        "calls": calls,
        "point": msgspec.to_builtins(point),
        "barge_ins": len(barge_ins),
        "barge_in_ms": {f"p{p}": round(percentile(barge_ins, p), 1) for p in (50, 95, 99)},
    }


def contenders(
    arguments: argparse.Namespace, waits: Waits, expected: Expected
) -> tuple[list[Contender], dict[str, str]]:
    wanted = _wanted(arguments)
    made: list[Contender] = []
    missing: dict[str, str] = {}
    if "ours" in wanted:
        made.append(servers.ours(waits, expected))
    if "ours_neural" in wanted:
        made.append(servers.ours(waits, expected, vad="{provider: silero}", name="ours_neural"))
    if "floor" in wanted:
        made.append(servers.floor(waits))
    if any(name.startswith("peer") for name in wanted):
        try:
            python = environment.ensure(arguments.peer_environment)
            log(f"pipecat-ai {environment.version(python)} in {arguments.peer_environment}")
        except environment.PeerMissing as error:
            log(f"PEERS NOT MEASURED: {error}")
            missing = {name: str(error) for name in wanted if name.startswith("peer")}
        else:
            made += [
                servers.pipecat(waits, name.removeprefix("peer_"), python) for name in wanted if name.startswith("peer")
            ]
    return made, missing


def _wanted(arguments: argparse.Namespace) -> list[str]:
    if arguments.only == "peers":
        return [name for name in PARTS if name.startswith("peer")]
    if arguments.only:
        return [arguments.only]
    return ["ours", "floor"] if arguments.quick else list(PARTS)


async def whole(arguments: argparse.Namespace, expected: Expected) -> dict[str, Any]:
    server_core, generator_core = cores()
    os.sched_setaffinity(0, {generator_core})
    waits = Waits()
    report: dict[str, Any] = {"machine": machine(server_core, generator_core), "waits": msgspec.to_builtins(waits)}
    made, missing = contenders(arguments, waits, expected)
    report["missing"] = missing
    results: dict[str, Any] = report.setdefault("servers", {})
    shares = QUICK_SHARE_S if arguments.quick else SHARE_S
    for contender in made:
        log(f"--- {contender.name}")
        share_s = shares.get(contender.name, 100.0)
        plan = Plan(
            baseline_s=16.0 if arguments.quick else 30.0,
            window_s=9.0 if arguments.quick else 14.0,
            precision=0.2 if arguments.quick else 0.08,
            deadline_s=time.monotonic() + share_s,
        )
        found, first_call_s = await measure(contender, server_core, plan)
        results[contender.name] = {**msgspec.to_builtins(found), "first_call_s": round(first_call_s, 2)}
        if found.failure:
            log(f"{contender.name} FAILED: {found.failure}")
        if contender.name == "ours" and found.calls_per_core:
            half = max(1, found.calls_per_core // 2)
            results["ours"]["half"] = await at_half(contender, server_core, half, 10.0 if arguments.quick else 18.0)
            starts = await start_up_s(contender, server_core, 1 if arguments.quick else 3)
            results["ours"]["first_calls_s"] = [round(one, 2) for one in [first_call_s, *starts]]
        report["headline"] = headline(results)
        if arguments.out:  # as far as it has come
            arguments.out.write_text(json.dumps(_finite(report), indent=1, default=str) + "\n")
    report["headline"] = headline(results)
    return report


async def one_point(arguments: argparse.Namespace, expected: Expected) -> dict[str, Any]:
    """A single point: of a server of ours that is started here, or of one that already runs at `--url`."""
    server_core, generator_core = cores()
    os.sched_setaffinity(0, {generator_core})
    if arguments.url:
        return await _elsewhere(arguments)
    made, missing = contenders(arguments, Waits(), expected)
    if not made:
        return {"missing": missing}
    points: dict[str, Any] = {}
    for contender in made:
        async with (
            running(contender, server_core) as (server, started, first_call_s),
            Generator(direct(started.media_url), utterances(), barge_in=arguments.barge_in) as generator,
        ):
            search = Search(server, generator, contender, Plan())
            point = await search.point(arguments.calls, arguments.seconds)
            log(show_point(contender.name, point))
            points[contender.name] = {**msgspec.to_builtins(point), "first_call_s": round(first_call_s, 2)}
            if arguments.barge_in:
                points[contender.name]["barge_in_ms"] = generator.figures.barge_ins_ms
    return points


async def _elsewhere(arguments: argparse.Namespace) -> dict[str, Any]:
    """What can be known from outside."""
    async with aiohttp.ClientSession() as session:
        dial: Dial = direct(arguments.url)
        if arguments.url.startswith("http"):
            dial = through_webhook(session, arguments.url)
        async with Generator(dial, utterances(), barge_in=arguments.barge_in) as generator:
            await generator.resize(arguments.calls, per_second=40.0)
            await asyncio.sleep(4.0)
            generator.figures.open_window()
            await asyncio.sleep(arguments.seconds)
            figures = generator.figures
            answers = figures.answers
            waited = [answer.response_ms for answer in answers]
            return {
                "calls": len(generator),
                "turns": len(answers),
                "response_ms": {f"p{p}": round(percentile(waited, p), 1) for p in (50, 95, 99)},
                "gaps": sum(answer.gaps for answer in answers),
                "missed_turns": figures.missed_turns,
                "lost_calls": figures.lost_calls,
                "refused_calls": figures.refused_calls,
                "generator_late_p95_ms": round(percentile(figures.lateness_ms, 95), 1),
                "barge_in_ms": {f"p{p}": round(percentile(figures.barge_ins_ms, p), 1) for p in (50, 95, 99)},
            }


def machine(server_core: int, generator_core: int) -> dict[str, Any]:
    """Where this was measured, and how quiet it was before."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "server_core": server_core,
        "generator_core": generator_core,
        "load_average": os.getloadavg(),
        "others_on_server_core_pct": core_noise(server_core, 2.0),
    }


def _finite(value: Any) -> Any:
    """JSON knows no NaN: what could not be measured is null."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="everything as data on standard output")
    parser.add_argument("--quick", action="store_true", help="ours and the floor, coarsely")
    parser.add_argument("--only", choices=("peers", *PARTS), help="one part")
    parser.add_argument("--calls", type=int, help="one point with this many calls")
    parser.add_argument("--seconds", type=float, default=15.0, help="of that point")
    parser.add_argument("--barge-in", action="store_true", help="callers interrupt every answer, at that point")
    parser.add_argument("--url", default="", help="a server that runs already: ws(s):// media or http(s):// webhook")
    parser.add_argument("--peer-environment", type=Path, default=environment.default_place(), metavar="DIR")
    parser.add_argument("--out", type=Path, help="write the JSON there as well")
    arguments = parser.parse_args()
    if arguments.calls is None and arguments.url:
        parser.error("--url needs --calls")
    expected = expected_ms(utterances(), Waits())
    work = whole(arguments, expected) if arguments.calls is None else one_point(arguments, expected)
    # A plain kill ends the servers as well, by way of the same clean-up as Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    report = uvloop.run(work)
    text = json.dumps(_finite(report), indent=1, default=str)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text if arguments.json or arguments.calls is not None else markdown(report))


if __name__ == "__main__":
    main()
