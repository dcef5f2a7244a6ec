"""`voicecore call`: a caller over Twilio's protocol in real time, and a report of every turn.

Exit status: 0 when every turn was answered, 1 when one was not, 2 for wrong usage or no connection.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from rich.console import Console
from rich.text import Text

from config.schema import ServerSettings
from pipelines.errors import NotFound
from voicecore.commands.options import add_json, add_settings, console, settings, write_json
from voicecore.phone.caller import Caller, Manners
from voicecore.phone.carrier import CallResult, Destination, place_call
from voicecore.phone.clips import Clip, read_wav, shipped, speak
from voicecore.phone.line import Line
from voicecore.phone.noise import noise_under
from voicecore.phone_report import CallReport, print_report, report_data

if TYPE_CHECKING:
    from voicecore.services.calls import CallDetail
    from voicecore.services.operator import Operator

RECORD_TRIES = 30  # the server writes a call behind its back: it is there within moments
RECORD_WAIT_S = 0.1
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8080",
        help="the server, its voice webhook, or a media stream (ws://…); default: %(default)s",
    )
    said = parser.add_argument_group("what the caller says, in this order (default: the demo call's sentences)")
    said.add_argument("--say", metavar="TEXT", dest="said", action=_Said, help="speak a text; may be repeated")
    said.add_argument(
        "--wav", metavar="FILE", nargs="+", dest="said", action=_Said, help="play recordings, one a turn; repeatable"
    )
    parser.add_argument("--engine", default="", help="speaks --say (default: flite if it is there, else espeak)")
    parser.add_argument("--voice", default="", help="voice of that engine")
    parser.add_argument("--from", dest="caller", default="+15550100001", metavar="NUMBER", help="caller's number")
    parser.add_argument("--to", dest="called", default="+15550100000", metavar="NUMBER", help="number that is called")
    parser.add_argument("--agent", default="", metavar="ID", help="ask for this agent, whatever the number")
    parser.add_argument(
        "--barge-in-ms", type=_milliseconds, metavar="MS", help="interrupt answers this long after they are audible"
    )
    parser.add_argument("--snr-db", type=float, metavar="DB", help="background noise, this far below the speech")
    parser.add_argument("--record", metavar="FILE", help="stereo WAV: caller left, what the caller heard right")
    parser.add_argument("--timeout-s", type=_seconds, default=300.0, metavar="S", help="longest call (default: 300)")
    add_json(parser)
    add_settings(parser)


class _Said(argparse.Action):
    """Keeps texts and recordings in the order in which they were given."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        items = getattr(namespace, self.dest) or []
        given = values if isinstance(values, list) else [values]
        setattr(namespace, self.dest, [*items, *(((option or "").removeprefix("--"), str(item)) for item in given)])


def _milliseconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("a whole number of milliseconds is expected")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError("seconds, above 0 and at most a day, are expected")
    return value


def run(args: argparse.Namespace) -> int:
    report = asyncio.run(_call(args, Console(stderr=True)))
    if args.record:
        report.result.recording.write_wav(Path(args.record))
    if args.json:
        write_json(report_data(report))
    else:
        print_report(console(), report)
    return 0 if report.every_turn_answered else 1


async def _call(args: argparse.Namespace, progress: Console) -> CallReport:
    configured = settings(args)
    clips = await _clips(args.said or [], args.engine, args.voice)
    noise = noise_under(clips, args.snr_db) if args.snr_db is not None else None
    destination = Destination(
        url=args.url,
        caller=args.caller,
        called=args.called,
        agent=args.agent,
        account_sid=configured.twilio.account_sid,
        auth_token=configured.twilio.auth_token,
    )
    caller = Caller(tuple(clips), Manners(barge_in_ms=args.barge_in_ms), noise)
    result = await _placed(destination, caller, clips, args, progress)
    detail = await _record(configured, args.url, result)
    return CallReport(clips=clips, result=result, detail=detail, sent=len(clips))


async def _placed(
    destination: Destination, caller: Caller, clips: list[Clip], args: argparse.Namespace, progress: Console
) -> CallResult:
    begun = 0

    def observe(line: Line) -> None:
        nonlocal begun
        if line.caller.begun > begun:
            text = clips[begun].text
            begun = line.caller.begun
            progress.print(Text.assemble((f"{line.frames / 50:6.1f} s  caller says: ", "dim"), text))

    watcher = observe if progress.is_terminal and not args.json else None
    async with aiohttp.ClientSession() as session:
        return await place_call(session, destination, caller, timeout_s=args.timeout_s, observe=watcher)


async def _clips(said: list[tuple[str, str]], engine: str, voice: str) -> list[Clip]:
    if not said:
        return shipped(int(time.time()) // 60)  # the next minute asks for another appointment
    texts = [item for kind, item in said if kind == "say"]
    spoken = iter(await speak(texts, engine=engine, voice=voice) if texts else [])
    return [next(spoken) if kind == "say" else read_wav(Path(item)) for kind, item in said]


async def _record(configured: ServerSettings, url: str, result: CallResult) -> CallDetail | None:
    """The server's record of the call, if the server's data are on this machine and it has one."""
    if urlsplit(url).hostname not in LOOPBACK and not configured.database_url:
        return None
    from voicecore.services import operator  # a second of imports, which nobody should wait for before the call

    try:
        async with operator.opened(configured) as office:
            return await _finished(office, result.identity.call_sid)
    except NotFound:
        return None


async def _finished(office: Operator, call_sid: str) -> CallDetail | None:
    detail = None
    for _ in range(RECORD_TRIES):
        with contextlib.suppress(NotFound):  # not written yet
            detail = await office.find(call_sid)
        if detail is not None and detail.call.ended_at is not None:
            break
        await asyncio.sleep(RECORD_WAIT_S)
    return detail
