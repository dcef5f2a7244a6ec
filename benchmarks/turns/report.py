"""A report as one JSON object, or as tables to read."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from benchmarks.turns.endpointing import Curve, Ends, Point
from benchmarks.turns.run import Policies, Report
from benchmarks.turns.summary import Row

COLUMNS = (
    ("turns", "turns"),
    ("response_rate", "response"),
    ("response_latency_p50_s", "p50 s"),
    ("response_latency_p95_s", "p95 s"),
    ("interruptions_per_turn", "interr."),
    ("yield_rate", "yield"),
    ("yield_latency_s", "yield s"),
    ("selectivity", "select."),
    ("selectivity_backchannel", "backch."),
    ("selectivity_tic", "tic"),
    ("selectivity_non_directed", "aside"),
    ("selectivity_talked_through", "through"),
    ("eva_turn_taking", "EVA"),
)

OPERATING = ("wait_at_5pct_s", "wait_at_10pct_s", "false_cutoffs_at_300ms", "false_cutoffs_at_600ms")


def as_json(report: Report, *, data: str, words_from: str) -> str:
    """The figures at the top level, everything else below."""
    policies = report.endpointing
    top: dict[str, Any] = {"data": data, "words": words_from, **msgspec.structs.asdict(report.row)}
    for prefix, curve in (("", policies.ours), ("baseline_", policies.fixed_silence), ("switch_", policies.switch)):
        for name in OPERATING:
            top[prefix + name] = getattr(curve, name)
    top |= {
        "by": report.by,
        "endpointing": policies,
        "endpointing_by": report.endpointing_by,
        "calls": report.calls,
        "simulated_s": report.simulated_s,
        "wall_s": report.wall_s,
    }
    return msgspec.json.format(msgspec.json.encode(_rounded(msgspec.to_builtins(top))), indent=1).decode()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


def as_text(report: Report) -> str:
    lines = [_line("", [title for _, title in COLUMNS]), _line("all", _cells(report.row))]
    for name, rows in report.by.items():
        lines += ["", name]
        lines += [_line(f"  {value}", _cells(row)) for value, row in rows.items()]
    row = report.row
    lines += [
        "",
        f"speculation: {row.speculation_hits} heard, {row.speculation_misses} thrown away;"
        f" for each answer {row.speculation_saved_ms_per_answer or 0:.0f} ms saved,"
        f" {row.speculation_tokens_wasted_per_answer or 0:.1f} tokens and"
        f" {row.speculation_characters_wasted_per_answer or 0:.1f} characters wasted",
    ]
    lines += ["", "endpointing: false cut-offs (of the holds) against the mean wait"]
    for name, policies in {"all": report.endpointing, **report.endpointing_by}.items():
        lines.append(_line(name, ["at 300 ms", "at 600 ms", "wait 5 %", "wait 10 %", "", "cut off", "mean wait"]))
        lines += _policies(policies)
    lines += ["", _line("ours: min / base / max", ["cut off", "mean wait", "turns"])]
    lines += [_line(f"  {one.knobs}", _point(one)) for one in report.endpointing.ours.points]
    lines += ["", f"{report.calls} calls of together {report.simulated_s:.0f} s; all runs took {report.wall_s:.1f} s"]
    return "\n".join(lines)


def explained(report: Report) -> str:
    """Every hold that was cut off, and the turns' ends that took longest, at the setting as it comes."""
    lines = ["cut off (of so long a hold, after)"]
    for turn in report.turns:
        lines += [
            f"  {_where(turn)} {p.length_s:6.2f} s {p.decided_s:6.2f} s  {p.said} …"
            for p in turn.pauses
            if p.hold and p.decided_s is not None
        ]
    lines += ["", "waits, longest first"]
    last = sorted(report.turns, key=lambda turn: -(turn.pauses[-1].decided_s or math.inf))
    for turn in last[: max(20, len(last) // 5)]:
        waited = turn.pauses[-1].decided_s
        lines.append(f"  {_where(turn)} {'never ' if waited is None else f'{waited:.2f} s'}  {turn.pauses[-1].said}")
    return "\n".join(lines)


def _where(turn: Ends) -> str:
    return f"{turn.dialogue:<24} {turn.condition:<6}"


def _policies(policies: Policies) -> list[str]:
    return [
        _line("  ours", [*_operating(policies.ours), "", *_point(policies.ours_as_it_comes)[:2]]),
        _line("  silence", _operating(policies.fixed_silence)),
        _line("  switch", [*_operating(policies.switch), "", *_point(policies.switch_300_2500)[:2]]),
    ]


def _cells(row: Row) -> list[str]:
    values = [getattr(row, field) for field, _ in COLUMNS]
    return ["-" if v is None else str(v) if isinstance(v, int) else f"{v:.3f}" for v in values]


def _operating(curve: Curve) -> list[str]:
    return [
        _percent(curve.false_cutoffs_at_300ms),
        _percent(curve.false_cutoffs_at_600ms),
        _seconds(curve.wait_at_5pct_s),
        _seconds(curve.wait_at_10pct_s),
    ]


def _point(one: Point) -> list[str]:
    return [_percent(one.false_cutoff_rate), _seconds(one.mean_wait_s), _percent(one.turns_cut_off)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"


def _line(name: str, cells: list[str]) -> str:
    return f"{name:<26}" + "".join(f"{cell:>10}" for cell in cells)
