"""Measures one server at rising numbers of calls: one point after another on the same process, then a bisection.

After a point that fails, the server is started anew: the next one must not pay for what has piled up. A point holds
when its p95 stays within 100 ms of one call's, with no gap, no missed turn, and no call lost.
"""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Callable
from statistics import median

import msgspec

from benchmarks.capacity.figures import Answer, percentile, spread
from benchmarks.capacity.generator import Generator
from benchmarks.capacity.processes import ServerFailed, ServerProcess, core_times
from benchmarks.capacity.servers import Contender

ALLOWED_MS = 100.0
RING_PER_S = 60.0  # new calls a second, at most a tenth of those there beyond that
SETTLE_S = 4.0
DISTURBED_PCT = 15.0  # of the server's core, used by others: a failure there is looked at once more
GENERATOR_LATE = "generator late"
GENERATOR_FULL_PCT = 90.0  # of its core: more calls would measure the generator
DOUBLED_BELOW = 512  # from there on half as many more are tried: twice as many would measure the generator
CLEARLY_LATE_MS = 20.0  # generator's own lateness, p95, above which a point says nothing of the server


class Plan(msgspec.Struct, frozen=True):
    """How long to look. `deadline_s` (monotonic): the search ends by then with what it has."""

    baseline_s: float = 30.0
    window_s: float = 15.0
    precision: float = 0.08
    deadline_s: float = math.inf


class Point(msgspec.Struct):
    """One server with `calls` calls for a while. Times in milliseconds, memory in MB, CPU in percent of one core."""

    calls: int
    turns: int
    response_ms: dict[str, float]
    added_ms: dict[str, float]  # over the expected ones; over N = 1 of the same utterance where nothing is known
    answer_late_ms: dict[str, float]  # audio that came after the carrier had run dry; negative: in time by so much
    gaps: int
    missed_turns: int
    premature: int
    lost_calls: int
    refused_calls: int
    cpu_pct: float
    cpu_per_call_pct: float
    rss_mb: float
    processes: int
    generator_cpu_pct: float
    generator_late_ms: dict[str, float]
    core_others_pct: float  # of the server's core: busy with something else, or stolen
    holds: bool = False
    why_not: str = ""


class Found(msgspec.Struct):
    """The result for one server."""

    name: str
    calls_per_core: int = 0
    bounded_by: str = ""  # what the next point failed on; "generator" makes the figure a lower bound
    points: list[Point] = []
    failure: str = ""


class Search:
    """One server's measurement."""

    def __init__(self, server: ServerProcess, generator: Generator, contender: Contender, plan: Plan) -> None:
        self._server = server
        self._generator = generator
        self._contender = contender
        self._plan = plan
        self._baseline: dict[str, float] = {}
        self._baseline_p95 = math.nan
        self._rss_one_mb = 0.0
        self.points: list[Point] = []

    async def run(self, say: Callable[[Point], None]) -> Found:
        found = Found(self._contender.name)
        try:
            await self._search(found, say)
        except ServerFailed as error:
            found.failure = str(error)
        found.points = self.points
        return found

    async def _search(self, found: Found, say: Callable[[Point], None]) -> None:
        one = await self.point(1, self._plan.baseline_s)
        if not one.holds:
            say(one)
            self._baseline, self._baseline_p95 = {}, math.nan
            one = await self.point(1, self._plan.baseline_s)
        say(one)
        if not one.holds:
            found.bounded_by = one.why_not
            return
        good, bad, calls = 1, 0, self._contender.first_guess
        while time.monotonic() + self._needs_s(calls) < self._plan.deadline_s:
            point = await self.point(calls, self._plan.window_s)
            disturbed = not point.holds and point.core_others_pct > DISTURBED_PCT
            if disturbed and time.monotonic() + self._needs_s(calls) < self._plan.deadline_s:
                say(point)
                point = await self.point(calls, self._plan.window_s)  # somebody else used the core: once more
            say(point)
            if point.holds:
                good = calls
                if point.generator_cpu_pct > GENERATOR_FULL_PCT:
                    found.bounded_by = f"generator at its limit: at least {good}"
                    break
            else:
                bad, found.bounded_by = calls, point.why_not
            if bad and (bad - good) <= max(1, int(self._plan.precision * good)):
                break
            rising = calls * 2 if calls < DOUBLED_BELOW else calls * 3 // 2
            calls = (good + bad) // 2 if bad else rising
            if calls > self._contender.most:
                found.bounded_by = "not searched further"
                break
            if not point.holds:
                await self._start_anew()
        else:
            found.bounded_by = found.bounded_by or "time"
        found.calls_per_core = good

    async def _start_anew(self) -> None:
        await self._generator.resize(0, per_second=math.inf)
        await asyncio.to_thread(self._server.stop)
        await self._server.start_again()

    def _needs_s(self, calls: int) -> float:
        """About how long the next point takes."""
        return max(0, calls - len(self._generator)) / RING_PER_S + SETTLE_S + self._plan.window_s

    async def point(self, calls: int, window_s: float) -> Point:
        generator, server = self._generator, self._server
        lost, refused = generator.figures.lost_calls, generator.figures.refused_calls
        await generator.resize(calls, per_second=max(RING_PER_S, len(generator) / 10))
        await asyncio.sleep(SETTLE_S)
        gc.collect()
        gc.freeze()
        generator.figures.open_window()
        before, spent = server.usage(), time.process_time()
        await asyncio.sleep(window_s)
        after, spent = server.usage(), time.process_time() - spent
        gc.unfreeze()
        figures, seconds = generator.figures, after.at_s - before.at_s
        cpu = (after.cpu_s - before.cpu_s) / seconds * 100.0
        busy = (after.core_busy_s - before.core_busy_s + after.core_steal_s - before.core_steal_s) / seconds * 100.0
        answers = figures.answers
        point = Point(
            calls=calls,
            turns=len(answers),
            response_ms=spread([answer.response_ms for answer in answers]),
            added_ms=spread(self._added(answers, calls)),
            answer_late_ms=spread([-answer.slack_ms for answer in answers if answer.slack_ms < 1e8]),
            gaps=sum(answer.gaps for answer in answers),
            missed_turns=figures.missed_turns,
            premature=figures.premature,
            lost_calls=figures.lost_calls - lost,
            refused_calls=figures.refused_calls - refused,
            cpu_pct=round(cpu, 1),
            cpu_per_call_pct=round(cpu / calls, 3),
            rss_mb=round(after.rss_mb, 1),
            processes=after.processes,
            generator_cpu_pct=round(spent / seconds * 100.0, 1),
            generator_late_ms=spread(figures.lateness_ms),
            core_others_pct=round(max(0.0, busy - cpu), 1),
        )
        point.why_not = self._fault(point)
        point.holds = not point.why_not
        self.points.append(point)
        return point

    def _added(self, answers: list[Answer], calls: int) -> list[float]:
        if expected := self._contender.expected:
            return [answer.response_ms - expected.of(answer) for answer in answers]
        if calls == 1 and not self._baseline:
            names = {answer.utterance for answer in answers}
            self._baseline = {
                name: median(answer.response_ms for answer in answers if answer.utterance == name) for name in names
            }
        typical = median(self._baseline.values()) if self._baseline else math.nan
        return [answer.response_ms - self._baseline.get(answer.utterance, typical) for answer in answers]

    def _fault(self, point: Point) -> str:
        """Why this point does not hold; "" when it does."""
        p95 = point.added_ms["p95"]
        if math.isnan(self._baseline_p95) and point.calls == 1:
            self._baseline_p95 = p95
        faults = {
            f"{point.lost_calls + point.refused_calls} calls lost or refused": point.lost_calls + point.refused_calls,
            "no answers": not point.turns,
            f"{point.missed_turns} missed turns": point.missed_turns,
            f"{point.gaps} gaps": point.gaps,
            f"p95 {p95 - self._baseline_p95:+.0f} ms": p95 - self._baseline_p95 > ALLOWED_MS,
        }
        reasons = [reason for reason, is_so in faults.items() if is_so]
        if reasons and point.generator_late_ms["p95"] > CLEARLY_LATE_MS:
            reasons.append(GENERATOR_LATE)
        return ", ".join(reasons)


def core_noise(core: int, seconds: float) -> float:
    """Percent of a core that others use while nothing of ours runs. Blocks."""
    busy, stolen = core_times(core)
    time.sleep(seconds)
    after, more = core_times(core)
    return round((after - busy + more - stolen) / seconds * 100.0, 1)


def p95(values: list[float]) -> float:
    return round(percentile(values, 95), 1)
