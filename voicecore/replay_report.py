"""A stored call beside its replay: turn by turn and in sum, as tables or as data."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.replay.changes import Change
from pipelines.replay.engines import Approximations
from pipelines.replay.judge import Fidelity, Judged, Pair, Verdict
from voicecore.domain.percentiles import summary

GOES_BACK = 20.0  # ms: a control that is further off than one frame is worth a warning
LONGEST_TEXT = 36


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    call_sid: str
    changes: list[Change]
    recorded: Verdict
    replayed: Verdict
    pairs: list[Pair]
    fidelity: Fidelity
    approximations: Approximations
    end_reasons: tuple[str, str]  # recorded, replayed
    lost_pieces: int
    whole: bool  # the call's last seconds are on record


def figures(verdict: Verdict) -> dict[str, Any]:
    """One call in sum; percentiles by nearest rank, absent without values."""
    data: dict[str, Any] = {
        "turns": len(verdict.turns),
        "decisions": verdict.decisions,
        "false_cut_offs": verdict.false_cut_offs,
        "resumed_turns": verdict.resumed_turns,
        "agent_interruptions": verdict.agent_interruptions,
        "barge_ins": verdict.barge_ins,
        "false_alarms": verdict.false_alarms,
        "speculation_hits": verdict.speculation.hits,
        "speculation_misses": verdict.speculation.misses,
        "speculation_saved_ms": verdict.speculation.saved_ms,
    }
    for name in ("wait_ms", "response_latency_ms"):
        ranked = summary([value for turn in verdict.turns if (value := getattr(turn, name)) is not None])
        data |= {f"{name.removesuffix('_ms')}_{q}_ms": ranked[q] for q in ("p50", "p95") if ranked}
    return data


def notes(report: ReplayReport) -> list[str]:
    """What a reader has to know before he believes the figures."""
    said = []
    faithful = report.fidelity
    if faithful.repeated < faithful.turns or faithful.worst_ms > GOES_BACK:
        said.append(
            f"With the recorded settings the replay repeats {faithful.repeated} of {faithful.turns} turns, within "
            f"{faithful.worst_ms:g} ms: take the differences below with that in mind."
        )
    if not report.whole:
        said.append("The server crashed in this call: it is replayed as far as it was written down.")
    if report.lost_pieces:
        said.append(f"The recording misses {report.lost_pieces} pieces that the disk was too slow for.")
    said += [
        f"{change.name} changes nothing here: engines answer as they were recorded."
        for change in report.changes
        if not change.has_effect
    ]
    guessed = report.approximations
    if any(msgspec.structs.astuple(guessed)):
        said.append(
            f"Approximated, because it was never asked in the call: {guessed.stt} recognitions (words and median delay "
            f"of the whole call), {guessed.detector} pauses (the detector says nothing), {guessed.llm} replies (the "
            f"one nearest in time), {guessed.tts} spoken texts and {guessed.tools} tool results."
        )
    return said


def report_data(report: ReplayReport) -> dict[str, Any]:
    """Times in milliseconds of the call."""
    data: dict[str, Any] = msgspec.to_builtins(
        {
            "id": report.call_id,
            "call_sid": report.call_sid,
            "settings": report.changes,
            "recorded": {**figures(report.recorded), "end_reason": report.end_reasons[0]},
            "replayed": {**figures(report.replayed), "end_reason": report.end_reasons[1]},
            "turns": [{"recorded": one, "replayed": other} for one, other in report.pairs],
            "fidelity": report.fidelity,
            "approximations": report.approximations,
            "notes": notes(report),
        }
    )
    return data


def print_report(console: Console, report: ReplayReport) -> None:
    console.print(Text.assemble((report.call_id, "bold"), f"  {report.call_sid}"))
    for change in report.changes:
        console.print(f"{change.name}: {change.recorded} → {change.replayed}")
    if not report.changes:
        console.print("settings as recorded")
    console.print()
    console.print(_turns(report.pairs))
    console.print()
    console.print(_sums(report))
    faithful = report.fidelity
    console.print(
        f"\nCheck: with the recorded settings {faithful.repeated} of {faithful.turns} turns are repeated, "
        f"within {faithful.worst_ms:g} ms.",
        style="dim",
    )
    for note in notes(report):
        console.print(f"NOTE  {note}", style="yellow")


def _turns(pairs: list[Pair]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("caller said", max_width=LONGEST_TEXT, no_wrap=True, overflow="ellipsis")
    for name in ("turn", "decided s", "wait ms", "latency ms"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what went wrong")
    for recorded, replayed in pairs:
        turn = recorded or replayed
        assert turn is not None
        said = turn.caller_text or ("(nothing understood)" if turn.by_caller else "(the agent spoke by itself)")
        table.add_row(
            Text(said),
            _change(recorded, replayed, lambda one: str(one.index)),
            _change(recorded, replayed, lambda one: _seconds(one.decided_ms)),
            _change(recorded, replayed, lambda one: _ms(one.wait_ms)),
            _change(recorded, replayed, lambda one: _ms(one.response_latency_ms)),
            _change(recorded, replayed, _faults),
        )
    return table


def _faults(turn: Judged) -> str:
    marks = [
        ("cut off" + (f" {turn.false_cut_offs}x" if turn.false_cut_offs > 1 else ""), turn.false_cut_offs > 0),
        ("agent interrupts", turn.interrupts_caller),
        ("barge-in", turn.interrupted),
    ]
    return ", ".join(text for text, true in marks if true)


def _change(recorded: Judged | None, replayed: Judged | None, show: Any) -> str:
    """ "before → after", once when they are the same."""
    one, other = (("no turn" if turn is None else show(turn) or "-") for turn in (recorded, replayed))
    return str(one) if one == other else f"{one} → {other}"


def _seconds(ms: float | None) -> str:
    return "-" if ms is None else f"{ms / 1000:.2f}"


def _ms(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.0f}"


def _sums(report: ReplayReport) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    table.add_column("recorded", justify="right")
    table.add_column("replayed", justify="right")
    recorded, replayed = figures(report.recorded), figures(report.replayed)
    for name in {**recorded, **replayed}:
        cells = [f"{data[name]:g}" if name in data else "-" for data in (recorded, replayed)]
        table.add_row(name.replace("_", " "), *cells, style=None if cells[0] == cells[1] else "bold")
    table.add_row("ended", *report.end_reasons)
    return table
