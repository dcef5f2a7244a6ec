"""`voicecore replay`: a stored call once more, with other settings, in virtual time."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from config.schema import ServerSettings
from pipelines.errors import ConfigError, NotFound
from pipelines.events import CallEvent, EventKind
from pipelines.replay.call import listen, replay
from pipelines.replay.caller import observe
from pipelines.replay.changes import apply
from pipelines.replay.judge import fidelity, judge, side_by_side
from pipelines.replay.stored import load
from voicecore.commands.options import add_json, add_settings, console, settings, write_json
from voicecore.recording import RECORDINGS, TRACE_SUFFIX
from voicecore.replay_report import ReplayReport, print_report, report_data
from voicecore.services import operator
from voicecore.services.calls import CallDetail


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("call", metavar="CALL", nargs="?", help="a call's id or sid, or the beginning of one")
    parser.add_argument(
        "--set",
        dest="assignments",
        metavar="NAME=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="a setting of the agent: turn.base_wait_ms=300; several may follow, and it may be repeated",
    )
    add_json(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    configured = settings(args)
    if args.call is None and args.assignments and "=" not in args.assignments[-1]:
        args.call = args.assignments.pop()  # behind the settings
    if args.call is None:
        raise ConfigError("which call?", source="replay", key="CALL")
    report = replayed(configured, asyncio.run(find(configured, args.call)), args.assignments)
    if args.json:
        write_json(report_data(report))
    else:
        print_report(console(), report)
    return 0


async def find(configured: ServerSettings, name: str) -> CallDetail:
    """Raises NotFound, ConfigError."""
    async with operator.opened(configured) as office:
        return await office.find(name)


def _recording(recordings: Path, detail: CallDetail) -> Path:
    """Raises NotFound. After a crash the file is there without a row."""
    if detail.recording is not None:
        return recordings / detail.recording.path
    found = sorted(recordings.glob(f"*/{detail.call.external_id}.wav"))
    if not found:
        raise NotFound(f"there is no recording of {detail.call.external_id} in {recordings}: it cannot be replayed")
    return found[0]


def replayed(configured: ServerSettings, detail: CallDetail, assignments: list[str]) -> ReplayReport:
    """Blocks while it computes, and runs event loops of its own. Raises NotFound, TraceDamaged, ConfigError."""
    recording = _recording(Path(configured.data) / RECORDINGS, detail)
    call = load(recording, recording.with_suffix(TRACE_SUFFIX))
    agent, changes = apply(call.agent, assignments)
    facts = observe(listen(call), detail.turns)
    control = replay(call, call.agent, facts)
    changed = replay(call, agent, facts) if changes else control
    kinds = set(EventKind)
    events = [CallEvent(EventKind(e.kind), e.at_ms, e.turn, e.data) for e in detail.events if e.kind in kinds]
    recorded = judge(detail.turns, events, facts)
    otherwise = judge(changed.turns, changed.events, facts, changed.axis)
    repeated = judge(control.turns, control.events, facts, control.axis)
    return ReplayReport(
        call_id=detail.call.external_id,
        call_sid=detail.call.sid,
        changes=changes,
        recorded=recorded,
        replayed=otherwise,
        pairs=side_by_side(recorded.turns, otherwise.turns),
        fidelity=fidelity(recorded.turns, repeated.turns),
        approximations=changed.approximations,
        end_reasons=(detail.call.end_reason.value if detail.call.end_reason else "", changed.reason.value),
        lost_pieces=call.lost_pieces,
        whole=call.whole,
    )
