"""Runs the benchmark: every dialogue through the real conversation, then every setting of the sweep, in processes.

What comes out is one `Report`; how it is shown is somebody else's business.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

import msgspec

from benchmarks.turns import baselines, endpointing
from benchmarks.turns.dialogue import Dialogue
from benchmarks.turns.endpointing import Curve, Ends, Point
from benchmarks.turns.observe import Seen, observe
from benchmarks.turns.plan import plan
from benchmarks.turns.summary import Row, summarise
from config.schema import AgentSettings, StageSettings, TurnPolicy
from pipelines.simulation.call import World, simulate_all
from pipelines.simulation.engines import Delays

T = TypeVar("T")

AS_IT_COMES = "as it comes"


class Policies(msgspec.Struct, frozen=True):
    """Curves of the three policies on the same turns."""

    ours: Curve
    fixed_silence: Curve
    switch: Curve
    ours_as_it_comes: Point
    switch_300_2500: Point


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one run found."""

    row: Row
    by: dict[str, dict[str, Row]]  # what the calls are parted by → value → figures
    endpointing: Policies
    endpointing_by: dict[str, Policies]  # by condition and by language
    turns: tuple[Ends, ...]  # at our setting as it comes
    calls: int
    simulated_s: float
    wall_s: float


class Options(msgspec.Struct, frozen=True, kw_only=True):
    policy: TurnPolicy = TurnPolicy()
    vad: StageSettings = StageSettings(provider="webrtc")
    turn: StageSettings | None = None
    delays: Delays = Delays()
    quick: bool = False
    jobs: int = 0  # 0: one a core


def run(dialogues: Sequence[Dialogue], options: Options) -> Report:
    began = time.monotonic()
    jobs = options.jobs or len(os.sched_getaffinity(0))
    settings = {endpointing.knobs(p): p for p in endpointing.sweep(quick=options.quick)}
    settings[AS_IT_COMES] = options.policy
    world = World(AgentSettings(turn=options.policy), _at_once(options.vad), options.turn, options.delays)
    size = -(-len(dialogues) // jobs)
    parts = [list(dialogues[at : at + size]) for at in range(0, len(dialogues), size)]
    with ProcessPoolExecutor(jobs) as pool:
        calls = [pool.submit(_seen, part, world) for part in parts]
        swept = {
            knobs: [pool.submit(_ends, part, policy, world) for part in parts] for knobs, policy in settings.items()
        }
        silent = [pool.submit(_silences, part, world.vad) for part in parts]
        seen = _joined(calls)
        ours = {knobs: _joined(work) for knobs, work in swept.items()}
        gaps = _joined(silent)
    fixed, switch = baselines.fixed(gaps), baselines.switch(gaps)
    return Report(
        row=summarise([one for one, _ in seen]),
        by=_parted(dialogues, [one for one, _ in seen]),
        endpointing=_policies(ours, fixed, switch, lambda turn: True),
        endpointing_by=_endpointing_by(ours, fixed, switch),
        turns=tuple(ours[AS_IT_COMES]),
        calls=len(seen),
        simulated_s=sum(length_ms for _, length_ms in seen) / 1000,
        wall_s=time.monotonic() - began,
    )


def _at_once(vad: StageSettings) -> StageSettings:
    """A detector that hands its work to a thread has no place in virtual time: let it decide within `feed`."""
    if vad.provider != "silero":
        return vad
    return msgspec.structs.replace(vad, options={**vad.options, "batched": False})


def _joined(work: Sequence[Future[list[T]]]) -> list[T]:
    """Parts in their order."""
    return [one for part in work for one in part.result()]


# --- in another process ---------------------------------------------------------------------------


def _seen(dialogues: Sequence[Dialogue], world: World) -> list[tuple[Seen, float]]:
    outcomes = simulate_all([plan(dialogue) for dialogue in dialogues], world)
    return [(observe(outcome), outcome.length_ms) for outcome in outcomes]


def _ends(dialogues: Sequence[Dialogue], policy: TurnPolicy, world: World) -> list[Ends]:
    scripts = [endpointing.patient(plan(dialogue)) for dialogue in dialogues]
    outcomes = simulate_all(scripts, endpointing.slow_world(world, policy))
    return [
        turn
        for dialogue, outcome in zip(dialogues, outcomes, strict=True)
        for turn in endpointing.decided(outcome, dialogue.condition)
    ]


def _silences(dialogues: Sequence[Dialogue], vad: StageSettings) -> list[baselines.Silences]:
    detector = baselines.detector(vad)
    return [
        baselines.silences(
            endpointing.patient(plan(dialogue)),
            dialogue.condition,
            detector,
        )
        for dialogue in dialogues
    ]


# --- parted ---------------------------------------------------------------------------------------


Settings = Mapping[str, Sequence[Ends]]


def _policies(ours: Settings, fixed: Settings, switch: Settings, wanted: Callable[[Ends], bool]) -> Policies:
    def only(settings: Settings) -> dict[str, list[Ends]]:
        return {knobs: [turn for turn in turns if wanted(turn)] for knobs, turns in settings.items()}

    mine, switching = only(ours), only(switch)
    at = baselines.switched(*baselines.SWITCH_S)
    return Policies(
        ours=endpointing.curve(mine),
        fixed_silence=endpointing.curve(only(fixed)),
        switch=endpointing.curve(switching),
        ours_as_it_comes=endpointing.point(AS_IT_COMES, mine[AS_IT_COMES]),
        switch_300_2500=endpointing.point(at, switching[at]),
    )


def _where(key: Callable[[Ends], str], value: str) -> Callable[[Ends], bool]:
    return lambda turn: key(turn) == value


def _endpointing_by(ours: Settings, fixed: Settings, switch: Settings) -> dict[str, Policies]:
    def part(key: Callable[[Ends], str]) -> dict[str, Policies]:
        values = dict.fromkeys(key(turn) for turn in ours[AS_IT_COMES])
        return {value: _policies(ours, fixed, switch, _where(key, value)) for value in values}

    return part(lambda turn: turn.condition) | part(lambda turn: turn.language)


def _parted(dialogues: Sequence[Dialogue], seen: Sequence[Seen]) -> dict[str, dict[str, Row]]:
    keys: dict[str, Callable[[Dialogue], str]] = {
        "condition": lambda d: d.condition,
        "noise": lambda d: d.labels.noise,
        "language": lambda d: d.labels.language,
        "voice": lambda d: d.labels.voice or "unknown",
    }
    return {name: _rows(dialogues, seen, key) for name, key in keys.items()}


def _rows(dialogues: Sequence[Dialogue], seen: Sequence[Seen], key: Callable[[Dialogue], str]) -> dict[str, Row]:
    values = dict.fromkeys(key(dialogue) for dialogue in dialogues)
    return {
        value: summarise([one for dialogue, one in zip(dialogues, seen, strict=True) if key(dialogue) == value])
        for value in values
    }
