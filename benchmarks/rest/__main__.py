"""REST beside calls: 100,000 stored calls, 50 in progress, 200 requests a second to every list and sum of all surfaces.

`python -m benchmarks.rest --json` (about 90 s). The server has one core, the callers and clients the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from benchmarks.capacity import servers
from benchmarks.capacity.expected import expected_ms
from benchmarks.capacity.figures import Expected
from benchmarks.capacity.generator import Generator, direct
from benchmarks.capacity.processes import ServerProcess, cores
from benchmarks.capacity.search import Plan, Search
from benchmarks.capacity.servers import Waits
from benchmarks.capacity.speech import utterances
from benchmarks.rest.load import CONNECTIONS, TIMEOUT_S, Load, questions
from benchmarks.rest.stored import prepare
from config.schema import ServerSettings

# Where the documents of each surface lie, by the name that its tokens have.
ROOTS = {
    "vocaliq": "",
    "portal": "/api/v2/portal",
    "dashboard": "/dashboard",
    "receptionist": "/receptionist",
    "crm": "/crm",
}
WARM_S = 3.0
TOKENS = "tokens.json"  # in the data directory; they live for a day


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def measure(arguments: argparse.Namespace, expected: Expected) -> dict[str, Any]:
    server_core, other_core = cores()
    os.sched_setaffinity(0, {other_core})
    contender = servers.ours(Waits(), expected)
    with tempfile.TemporaryDirectory(prefix="rest-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        started = contender.start(folder)
        settings = ServerSettings(data=str(folder / "data"), database_url=arguments.database_url)
        began = time.monotonic()
        tokens = await _tokens(settings, arguments)
        report: dict[str, Any] = {"stored_calls": arguments.stored, "stored_s": round(time.monotonic() - began, 1)}
        log(f"stored {arguments.stored} calls in {report['stored_s']} s")
        environment = {"VOICECORE_LIMITS": "relaxed", "VOICECORE_DATABASE_URL": arguments.database_url}
        server = ServerProcess(started.command, server_core, folder / "log", started.environment | environment)
        server.start()
        try:
            await server.until_listening(started.port)
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            connector = aiohttp.TCPConnector(limit=CONNECTIONS)
            async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
                base = f"http://127.0.0.1:{started.port}"
                asked = await questions(session, base, {ROOTS[name]: token for name, token in tokens.items()})
                log(f"{len(asked)} routes")
                await Load(session, asked, arguments.per_second).run(WARM_S)
                load = Load(session, asked, arguments.per_second, WARM_S)
                async with Generator(direct(started.media_url), utterances()) as generator:
                    search = Search(server, generator, contender, Plan())
                    if arguments.calls:
                        alone = await search.point(arguments.calls, arguments.seconds)
                        report["calls_alone"] = msgspec.to_builtins(alone)
                        loading = asyncio.create_task(load.run(arguments.seconds + 5.0 + WARM_S))
                        both = await search.point(arguments.calls, arguments.seconds)
                        report["calls_with_rest"] = msgspec.to_builtins(both)
                        await loading
                    else:
                        await load.run(arguments.seconds)
                report["rest"] = load.figures()
        finally:
            await asyncio.to_thread(server.stop)
    return report


async def _tokens(settings: ServerSettings, arguments: argparse.Namespace) -> dict[str, str]:
    """What is stored, made or taken from `--keep`."""
    data, kept = Path(settings.data), arguments.keep
    if kept is None or not (kept / TOKENS).exists():
        tokens = await prepare(settings, arguments.stored, list(ROOTS))
        (data / TOKENS).write_text(json.dumps(tokens))
        if kept is not None:
            shutil.copytree(data, kept, dirs_exist_ok=True)
        return tokens
    shutil.copytree(kept, data)
    found: dict[str, str] = json.loads((data / TOKENS).read_text())
    return found


def text_of(report: dict[str, Any]) -> str:
    rest = report["rest"]
    lines = [f"{rest['requests']} requests, by status {rest['statuses']}, all: {rest['all_ms']}"]
    lines.append(f"in the first {WARM_S:g} s besides: {rest['warm_ms']}")
    lines += [f"{ms['p50']:8.1f} {ms['p95']:8.1f} {ms['p99']:8.1f}  {route}" for route, ms in rest["ms"].items()]
    for name in ("calls_alone", "calls_with_rest"):
        if point := report.get(name):
            shown = ("added_ms", "answer_late_ms", "gaps", "missed_turns", "lost_calls", "cpu_pct", "generator_late_ms")
            facts = {name: point[name] for name in shown}
            lines.append(f"{name}: {facts}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--stored", type=int, default=100_000)
    parser.add_argument("--per-second", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--database-url", default="")
    parser.add_argument("--keep", type=Path, help="folder for what is stored: the next run takes it from there")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = asyncio.run(measure(arguments, expected_ms(utterances(), Waits())))
    print(json.dumps(report, indent=1) if arguments.json else text_of(report))


if __name__ == "__main__":
    main()
