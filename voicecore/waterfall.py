"""Draws a call in a terminal: who spoke when, where each answer's time went, what was heard and what was not.

Every bar of a drawing is to one scale; a stage that is shorter than half a character shows in its figure
only. Each stage has a colour and a character of its own, so nothing is lost without colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.timing import Stage, Turn, response_latency_ms, waterfall
from pipelines.usage import Usage
from voicecore.domain.percentiles import stage_summaries

if TYPE_CHECKING:  # the database behind them costs a second of start, which a caller need not wait for
    from voicecore.domain.calls import StoredEvent
    from voicecore.services.calls import CallDetail

LOOKS: dict[Stage, tuple[str, str]] = {
    Stage.ENDPOINT_WAIT: ("░", "bright_black"),
    Stage.STT: ("▒", "blue"),
    Stage.LLM: ("▓", "magenta"),
    Stage.AGGREGATION: ("▚", "cyan"),
    Stage.TTS: ("█", "green"),
    Stage.PLAYOUT: ("▐", "yellow"),
}
OTHER_LOOK = ("■", "white")  # a stage that is newer than this table
CALLER_LOOK = ("━", "bright_blue")
AGENT_LOOK = ("━", "bright_green")
EVENT_MARKS = {"barge_in": "✂", "stage.failed": "!", "fallback.spoken": "!", "tool.called": "⚙", "dtmf": "#"}
COLUMNS = ("num", "p50", "p90", "p95", "p99", "min", "max")


def look(stage: Stage) -> tuple[str, str]:
    return LOOKS.get(stage, OTHER_LOOK)


def bar(turn: Turn, scale_ms: float, width: int) -> Text:
    """One turn's stages from the caller's last sample on; `width` characters are `scale_ms`."""
    text = Text()
    edge = 0.0
    edges = [0]
    stages = waterfall(turn.marks)
    for waited in stages.values():
        edge += waited
        edges.append(round(edge / scale_ms * width) if scale_ms else 0)
    for stage, (start, end) in zip(stages, pairwise(edges), strict=True):
        character, colour = look(stage)
        text.append(character * (end - start), colour)
    return text


def figures(turn: Turn) -> Text:
    """The stages that cost anything, in milliseconds."""
    parts = Text()
    for stage, waited in waterfall(turn.marks).items():
        if waited >= 0.5:
            character, colour = look(stage)
            parts.append(f"{character} {stage.value} {waited:.0f}  ", colour)
    return parts


def legend() -> Text:
    text = Text()
    for stage in Stage:
        character, colour = look(stage)
        text.append(f"{character * 2} {stage.value}  ", colour)
    return text


def heard_and_unheard(turn: Turn) -> tuple[str, str]:
    """What was heard, and what was written but never heard."""
    heard, generated = turn.heard_text.strip(), turn.generated_text.strip()
    if not turn.interrupted and not heard:
        return generated, ""
    words, all_words = heard.split(), generated.split()
    if [word.rstrip("-.,…") for word in words] == [word.rstrip("-.,…") for word in all_words[: len(words)]]:
        return heard, " ".join(all_words[len(words) :])
    return heard, generated if not heard else ""


def answer(turn: Turn, *, colours: bool) -> Text:
    """The agent's words; what the caller never heard is struck through, with tildes where that cannot show."""
    heard, unheard = heard_and_unheard(turn)
    text = Text(heard)
    if unheard:
        text.append(" " if heard else "")
        text.append(unheard if colours else f"~~{unheard}~~", "strike dim")
    return text


def draw_turn(turn: Turn, scale_ms: float, *, width: int, colours: bool) -> RenderableType:
    """Both texts and the waterfall of one turn."""
    lines: list[RenderableType] = []
    if turn.caller_text or turn.caller_started_ms is not None:
        said = turn.caller_text or "(nothing understood)"
        lines.append(Text.assemble(("caller  ", CALLER_LOOK[1]), said))
    spoken = answer(turn, colours=colours)
    if spoken:
        cut = " ✂" if turn.interrupted else ""
        lines.append(Text.assemble((f"agent{cut:<3}", AGENT_LOOK[1]), spoken))
    latency_ms = response_latency_ms(turn.marks)
    if latency_ms is not None:
        lines.append(Text.assemble(f"{latency_ms:5.0f} ms ", bar(turn, scale_ms, width)))
        lines.append(Text.assemble("         ", figures(turn)))
    early = turn.speculation
    if early.started:
        lines.append(Text(f"         begun early: {early.saved_ms:.0f} ms saved, {early.misses} thrown away", "dim"))
    return Group(*lines)


def scale_of(turns: Sequence[Turn]) -> float:
    """The longest response: what the widest bar stands for."""
    return max((response_latency_ms(turn.marks) or 0.0 for turn in turns), default=0.0)


def _lane(name: str, style: tuple[str, str], spans: Sequence[tuple[float, float]], total_ms: float, width: int) -> Text:
    cells = [" "] * width
    for start_ms, end_ms in spans:
        first = min(width - 1, int(start_ms / total_ms * width))
        for at in range(first, max(first + 1, min(width, round(end_ms / total_ms * width)))):
            cells[at] = style[0]
    return Text.assemble((f"{name:<8}", style[1]), ("".join(cells), style[1]))


def _axis(total_ms: float, width: int) -> Text:
    """Seconds, at a step that leaves room for the labels."""
    total_s = total_ms / 1000
    step_s = next((s for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600) if total_s / s * 8 <= width), 1800)
    line = [" "] * (width + 8)
    for second in range(0, int(total_s) + 1, step_s):
        at = int(second / total_s * width)
        line[at : at + len(f"{second}s")] = f"{second}s"
    return Text(" " * 8 + "".join(line).rstrip(), "dim")


def timeline(turns: Sequence[Turn], events: Sequence[StoredEvent], total_ms: float, width: int) -> RenderableType:
    """Who was heard when, and the events that matter, on one axis of call time."""
    caller = [
        (turn.caller_started_ms, turn.caller_ended_ms)
        for turn in turns
        if turn.caller_started_ms is not None and turn.caller_ended_ms is not None
    ]
    agent = [
        (turn.agent_started_ms, turn.agent_ended_ms)
        for turn in turns
        if turn.agent_started_ms is not None and turn.agent_ended_ms is not None
    ]
    marks = [" "] * width
    for event in events:
        if event.kind in EVENT_MARKS:
            marks[max(0, min(width - 1, int(event.at_ms / total_ms * width)))] = EVENT_MARKS[event.kind]
    lanes = [_lane("caller", CALLER_LOOK, caller, total_ms, width)]
    lanes.append(_lane("agent", AGENT_LOOK, agent, total_ms, width))
    if any(mark != " " for mark in marks):
        lanes.append(Text.assemble(("events  ", "yellow"), "".join(marks)))
    return Group(*lanes, _axis(total_ms, width))


def percentiles(turns: Sequence[Turn]) -> Table:
    """Stages in the order of the waterfall, then the whole."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("ms waited")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for stage, summary in stage_summaries(turn.marks for turn in turns).items():
        row = [f"{summary[name]:.0f}" for name in COLUMNS]
        table.add_row(stage, *row, style="bold" if stage == "response_latency" else None)
    return table


def usage_table(usage: Usage) -> Table:
    """What each model did, and its price."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("used")
    names = ("input", "cached", "output", "wasted", "spoken", "unheard", "heard s", "US$")
    for name in names:
        table.add_column(name, justify="right")
    for model, used in usage.items():
        tokens = (used.input_tokens, used.cached_tokens, used.output_tokens, used.wasted_tokens)
        amounts = [*tokens, used.spoken_characters, used.unheard_characters]
        shown = [f"{amount}" if amount else "-" for amount in amounts]
        heard = f"{used.heard_s:.1f}" if used.heard_s else "-"
        table.add_row(Text(model), *shown, heard, dollars(used.cost_microusd))
    return table


def dollars(microusd: int | None) -> str:
    return "unknown" if microusd is None else f"{Decimal(microusd) / 1_000_000:.6f}"  # that is exact


def _heading(detail: CallDetail) -> Text:
    call = detail.call
    text = Text.assemble((call.external_id, "bold"), f"  {call.sid}\n" if call.sid else "\n")
    text.append(f"{call.from_number or '?'} → {call.to_number or '?'}   agent {call.agent_id or '?'}")
    text.append(f" (version {call.agent_version})   {call.transport}\n")
    text.append(f"{call.created_at:%Y-%m-%d %H:%M:%S %Z}   {call.duration_s:.1f} s   ")
    text.append(f"{call.status.value}{f' ({call.end_reason.value})' if call.end_reason else ''}\n")
    return text


def _events(events: Sequence[StoredEvent]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, style="dim")
    for event in events:
        details = "  ".join(f"{key}={value}" for key, value in event.data.items())
        turn = "" if event.turn is None else f"turn {event.turn}"
        table.add_row(f"{event.at_ms / 1000:8.2f} s", event.kind, turn, Text(details))
    return table


def draw_call(console: Console, detail: CallDetail) -> None:
    """The whole page of one call."""
    colours = console.color_system is not None
    width = max(20, min(console.width, 160) - 9)
    turns: list[Turn] = list(detail.turns)
    ends = [turn.ended_ms for turn in turns] + [event.at_ms for event in detail.events]
    total_ms = max([*ends, detail.call.duration_s * 1000, 1.0])
    console.print(_heading(detail))
    console.print(timeline(turns, detail.events, total_ms, width), "")
    scale_ms = scale_of(turns)
    console.print(legend() if scale_ms else Text("no answered turns", "dim"), "")
    for turn in turns:
        console.print(Text(f"turn {turn.index}   {turn.started_ms / 1000:.2f} s", "dim"))
        console.print(draw_turn(turn, scale_ms, width=width, colours=colours), "")
    if scale_ms:
        console.print(percentiles(turns), "")
    if detail.call.usage:
        console.print(usage_table(detail.call.usage))
        console.print(f"cost         {dollars(detail.call.cost_microusd)}", "")
    for booked in detail.appointments:
        console.print(f"appointment  {booked.external_id}  {booked.starts_at:%Y-%m-%d %H:%M %Z}  {booked.status.value}")
    if detail.recording is not None:
        console.print(f"recording    {detail.recording.path}  {detail.recording.duration_ms / 1000:.1f} s")
    console.print(_events(detail.events))
