"""What a placed call came to: the caller's own measurements side by side with the server's record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.text import Text

from pipelines.events import EventKind
from pipelines.timing import Turn, response_latency_ms, waterfall
from voicecore.phone.carrier import CallResult
from voicecore.phone.clips import Clip
from voicecore.phone.measure import MeasuredTurn
from voicecore.waterfall import draw_turn, heard_and_unheard, legend, scale_of

if TYPE_CHECKING:  # see waterfall.py
    from voicecore.services.calls import CallDetail


class CallReport(msgspec.Struct, frozen=True):
    """`detail` is None when the server's record cannot be read from here."""

    clips: list[Clip]
    result: CallResult
    detail: CallDetail | None
    sent: int  # utterances that were to be said

    @property
    def every_turn_answered(self) -> bool:
        """All was said and all was answered."""
        turns = self.result.turns
        return len(turns) == self.sent and all(turn.answered for turn in turns)


def matching_turns(measured: MeasuredTurn, turns: list[Turn]) -> list[Turn]:
    """The server's turns that heard this utterance: it may have taken a pause for an end and made two of one."""
    return [
        turn
        for turn in turns
        if turn.caller_started_ms is not None
        and turn.caller_ended_ms is not None
        and turn.caller_started_ms < measured.spoke_to_ms
        and turn.caller_ended_ms > measured.spoke_from_ms
    ]


def report_data(report: CallReport) -> dict[str, Any]:
    """The report as plain data: times in milliseconds of the call."""
    result = report.result
    server_turns: list[Turn] = list(report.detail.turns) if report.detail is not None else []
    turns = []
    for clip, measured in zip(report.clips, result.turns, strict=False):
        data: dict[str, Any] = {"said": clip.text, **msgspec.to_builtins(measured), "answer_ms": measured.answer_ms}
        data["server"] = [turn_data(turn) for turn in matching_turns(measured, server_turns)]
        turns.append(data)
    opening = [turn_data(turn) for turn in server_turns if turn.caller_started_ms is None]
    return {
        "call_sid": result.identity.call_sid,
        "id": report.detail.call.external_id if report.detail is not None else None,
        "every_turn_answered": report.every_turn_answered,
        "ended_by": result.ended_by.value,
        "close_code": result.close_code,
        "duration_ms": result.recording.duration_ms,
        "unprompted": opening,
        "turns": turns,
        "said": len(result.turns),
        "to_be_said": report.sent,
        "end_reason": report.detail.call.end_reason if report.detail is not None else None,
        "line": {
            "frames": result.frames,
            "late_frames": result.late_frames,
            "worst_late_ms": result.worst_late_ms,
            "underruns": result.underruns,
            "partial_frames": result.partial_frames,
            "clears": result.clears,
            "cleared_ms": result.cleared_ms,
            "problems": result.problems,
            "problem_count": result.problem_count,
        },
    }


def turn_data(turn: Turn) -> dict[str, Any]:
    heard, unheard = heard_and_unheard(turn)
    return {
        "index": turn.index,
        "understood": turn.caller_text,
        "answered": turn.generated_text,
        "heard": heard,
        "not_heard": unheard,
        "interrupted": turn.interrupted,
        "response_latency_ms": response_latency_ms(turn.marks),
        "waterfall": {stage.value: waited for stage, waited in waterfall(turn.marks).items()},
        "marks": {mark.value: at_ms for mark, at_ms in turn.marks.items()},
    }


def print_report(console: Console, report: CallReport) -> None:
    server_turns: list[Turn] = list(report.detail.turns) if report.detail is not None else []
    width = max(20, min(console.width, 140) - 10)
    scale_ms = scale_of(server_turns)
    colours = console.color_system is not None
    if scale_ms:
        console.print(legend(), "")
    shown: set[int] = set()
    for clip, measured in zip(report.clips, report.result.turns, strict=False):
        mine = matching_turns(measured, server_turns)
        until = mine[0].index if mine else -1
        for turn in server_turns:  # what the agent said of its own accord, before this
            if turn.index < until and turn.index not in shown:
                shown.add(turn.index)
                console.print(draw_turn(turn, scale_ms, width=width, colours=colours), "")
        console.print(Text.assemble(("said    ", "bold"), clip.text, (f"   {_measured(measured)}", "dim")))
        for turn in mine:
            shown.add(turn.index)
            console.print(draw_turn(turn, scale_ms, width=width, colours=colours))
        console.print()
    for turn in server_turns:
        if turn.index not in shown:
            console.print(draw_turn(turn, scale_ms, width=width, colours=colours), "")
    _print_summary(console, report)


def _measured(turn: MeasuredTurn) -> str:
    if turn.latency_ms is None or turn.answer_ms is None:
        return "not answered"
    parts = [f"answered after {turn.latency_ms:.0f} ms, for {turn.answer_ms / 1000:.1f} s"]
    if turn.agent_stopped_after_ms is not None:
        parts.append(f"interrupted the agent, who stopped after {turn.agent_stopped_after_ms:.0f} ms")
    return "; ".join(parts)


def _print_summary(console: Console, report: CallReport) -> None:
    result = report.result
    answered = sum(turn.answered for turn in result.turns)
    name = report.detail.call.external_id if report.detail is not None else result.identity.call_sid
    console.print(
        f"{answered} of {report.sent} turns answered, {result.recording.duration_ms / 1000:.1f} s, "
        f"ended by the {result.ended_by.value}. Call {name}"
    )
    if report.detail is None:
        console.print(
            "The server's record cannot be read from here: give --data DIR or --config FILE of the server for texts "
            "and waterfalls.",
            style="dim",
        )
    else:
        call = report.detail.call
        console.print(
            f"The server's record: {call.end_reason.value if call.end_reason else 'not finished'}", style="dim"
        )
        for event in report.detail.events:
            if event.kind == EventKind.STAGE_FAILED:
                console.print(f"{event.kind}: {event.data.get('message', '')}", style="red", markup=False)
    if result.late_frames:
        console.print(
            f"{result.late_frames} frames left late (worst {result.worst_late_ms:.0f} ms): this machine is busy, "
            "figures may be too high.",
            style="yellow",
        )
    for problem in result.problems[:5]:
        console.print(f"the server broke the protocol: {problem}", style="red", markup=False)
