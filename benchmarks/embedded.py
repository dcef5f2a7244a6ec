"""How many callers the embedded stack serves, end to end: `python -m benchmarks.embedded`.

Starts a server on a temporary directory and calls it in real time over Twilio's protocol, with the voices
installed here, clean and noisy, in wordings the receptionist was not tuned on (`--half held_out`). Several
calls run at once; how late the callers' own frames were is reported, since they share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time as clocks
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np

from benchmarks.embedded_calls import Job, Outcome, hold, judge_deeds
from benchmarks.embedded_plan import AGENT, SERVICES, plan
from benchmarks.people import Wordings, wordings
from config.schema import ServerSettings
from pipelines.errors import ProtocolError
from voicecore.domain import instants
from voicecore.domain.accounts import Business
from voicecore.domain.calendar import Appointment, AppointmentFilter
from voicecore.domain.paging import Page
from voicecore.services.agents import Agents
from voicecore.services.appointments import Appointments, Booking
from voicecore.services.operator import Operator, database_url, opened
from voicecore.storage.database import Database

START_TIMEOUT_S = 60
REDIALS, REDIAL_S = 30, 3.0


# --- the server -------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(data: Path, port: int) -> AsyncIterator[str]:
    """A server of its own process on this machine; its address."""
    options = ["--no-demo-call", "--data", str(data), "--port", str(port), "--log-level", "warning"]
    command = [sys.executable, "-m", "voicecore", "serve", *options]
    log = (data / "server.log").open("wb")
    server = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(START_TIMEOUT_S), aiohttp.ClientSession() as session:
            while not await _ready(session, url):
                if server.returncode is not None:
                    raise RuntimeError((data / "server.log").read_text()[-2000:])
                await asyncio.sleep(0.1)
        yield url
    finally:
        if server.returncode is None:
            server.terminate()
            await server.wait()
        log.close()


async def _ready(session: aiohttp.ClientSession, url: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with session.get(f"{url}/readyz") as response:
            return response.status == 200
    return False


class Calendar:
    """The practice's appointments, beside the running server."""

    def __init__(self, database: Database, business: Business) -> None:
        self._appointments = Appointments(database)
        self._business = business
        self._tz = instants.zone(business.timezone)

    @classmethod
    async def of_agent(cls, database: Database) -> Calendar:
        return cls(database, (await Agents(database).route(AGENT)).business)

    @property
    def now(self) -> datetime:
        return datetime.now(self._tz).replace(tzinfo=None)

    async def prepare(self, job: Job) -> None:
        """Books the appointment that this caller has already."""
        wish = job.wish
        if wish.old is None:
            return
        booking = Booking(
            start=wish.old.replace(tzinfo=self._tz).astimezone(UTC),
            minutes=SERVICES[wish.service],
            service=wish.service.replace(" ", "").capitalize(),
            customer_name=wish.name.title(),
            customer_phone=job.phone,
        )
        await self._appointments.book(self._business, booking)

    async def check(self, outcome: Outcome) -> None:
        found = await self._appointments.listing(self._business.organization_uid, AppointmentFilter(), Page(0, 1000))
        mine = [a for a in found.rows if a.customer_phone == outcome.job.phone]
        judge_deeds(outcome, mine, {a.external_id: self._local(a) for a in mine})

    def _local(self, appointment: Appointment) -> datetime:
        return appointment.starts_at.astimezone(self._tz).replace(tzinfo=None)


# --- running and reporting --------------------------------------------------------------------------


async def run(args: argparse.Namespace) -> list[Outcome]:
    texts = wordings()
    with tempfile.TemporaryDirectory() as folder:
        settings = ServerSettings(data=folder)
        async with serving(Path(folder), args.port) as url, opened(settings) as office:
            database = await Database.open(database_url(settings))
            try:
                calendar = await Calendar.of_agent(database)
                jobs = plan(args.calls, args.first, args.half, calendar.now, args.only)
                at_once = asyncio.Semaphore(args.at_once)

                async def one(job: Job) -> Outcome:
                    async with at_once:
                        await calendar.prepare(job)
                        outcome = await _held(job, url, office, texts, calendar.now)
                        await calendar.check(outcome)
                        _progress(outcome)
                        return outcome

                return list(await asyncio.gather(*map(one, jobs)))
            finally:
                await database.close()


async def _held(job: Job, url: str, office: Operator, texts: Wordings, now: datetime) -> Outcome:
    """Rings again where the server is too busy to take the call. Raises ProtocolError when it stays so."""
    for refused in range(REDIALS):
        try:
            outcome = await hold(job, url, office, texts, now)
        except ProtocolError:
            await asyncio.sleep(REDIAL_S)
        else:
            outcome.refused = refused
            return outcome
    raise ProtocolError(f"the server took no call within {REDIALS * REDIAL_S:g} s")


def _progress(outcome: Outcome) -> None:
    job = outcome.job
    state = "done" if outcome.completed else "FAILED"
    if outcome.wrong:
        state = f"WRONG ({outcome.wrong})"
    snr = "clean" if job.snr_db is None else f"{job.snr_db:g} dB"
    line = f"{job.number:3} {job.wish.task:26} {job.wish.article:22} {job.voice:16} {snr:6} {outcome.turns:2} turns"
    print(f"{line} {outcome.duration_s:5.0f} s  {state}", file=sys.stderr, flush=True)


def summary(outcomes: Sequence[Outcome], wall_s: float) -> dict[str, Any]:
    groups: dict[str, Callable[[Outcome], str]] = {
        "task": lambda o: o.job.wish.task.value,
        "voice": lambda o: o.job.voice,
        "condition": lambda o: "clean" if o.job.snr_db is None else f"{o.job.snr_db:g} dB",
        "all": lambda o: "all",
    }
    tables: dict[str, Any] = {}
    for name, key in groups.items():
        rows: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            rows[key(outcome)].append(outcome)
        tables[name] = {label: _row(group) for label, group in sorted(rows.items())}
    stages: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        for stage, waits in outcome.stages_ms.items():
            stages[stage] += waits
        stages["response_latency"] += outcome.latencies_ms
    return {
        **tables,
        "latency_ms": {stage: _percentiles(waits) for stage, waits in stages.items() if waits},
        "refused": sum(o.refused for o in outcomes),
        "wrong": [f"{o.job.number}: {o.wrong}" for o in outcomes if o.wrong],
        "late_caller_frames": sum(o.late_frames for o in outcomes),
        "load_average": os.getloadavg()[0],
        "wall_s": round(wall_s),
    }


def _row(group: Sequence[Outcome]) -> dict[str, float | int]:
    words = sum(o.words for o in group)
    done = [o for o in group if o.completed]
    return {
        "calls": len(group),
        "completed": len(done),
        "percent": round(100 * len(done) / len(group)),
        "wrong": sum(bool(o.wrong) for o in group),
        "name_errors": sum(o.name_error for o in group),
        "turns": round(sum(o.turns for o in done) / max(1, len(done)), 1),
        "unanswered": sum(o.unanswered for o in group),
        "wer_percent": round(100 * sum(o.word_errors for o in group) / max(1, words), 1),
    }


def _percentiles(waits: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(waits, (50, 95))
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": round(max(waits), 1)}


def show(report: dict[str, Any]) -> None:
    for table in ("task", "voice", "condition", "all"):
        print(f"\n{table:27} calls  done    %  wrong  name errors  turns  unanswered  word errors")
        for key, row in report[table].items():
            print(
                f"{key:27} {row['calls']:5} {row['completed']:5} {row['percent']:4} {row['wrong']:6} "
                f"{row['name_errors']:12} {row['turns']:6} {row['unanswered']:11} {row['wer_percent']:10} %"
            )
    print()
    for stage, row in report["latency_ms"].items():
        print(f"{stage:18} p50 {row['p50']:7.1f} ms   p95 {row['p95']:7.1f} ms   max {row['max']:7.1f} ms")
    for key in ("wrong", "refused", "late_caller_frames", "load_average", "wall_s"):
        print(f"{key}: {report[key]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=36)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="leave out the first N callers of the plan")
    parser.add_argument("--at-once", type=int, default=4, help="calls that run together (default: %(default)s)")
    parser.add_argument("--half", choices=("dev", "held_out"), default="held_out", help="which wordings are spoken")
    parser.add_argument("--only", default="", metavar="TEXT", help="callers whose task, article or voice contains this")
    parser.add_argument("--quick", action="store_true", help="nine calls")
    parser.add_argument("--port", type=int, default=18290, help="for the server under test (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="everything as data")
    parser.add_argument("--transcripts", action="store_true", help="also print what was said in calls that failed")
    args = parser.parse_args()
    args.calls = 9 if args.quick else args.calls
    started = clocks.monotonic()
    outcomes = asyncio.run(run(args))
    report = summary(outcomes, clocks.monotonic() - started)
    if args.json:
        print(json.dumps({**report, "outcomes": msgspec.to_builtins(outcomes)}, indent=1, default=str))
        return
    show(report)
    if args.transcripts:
        for outcome in outcomes:
            if not outcome.completed:
                print(f"\n--- {outcome.job.number} {outcome.job.wish.task} {outcome.job.voice} {outcome.ended}")
                print("\n".join(outcome.transcript))


if __name__ == "__main__":
    main()
