"""One benchmark call: a spoken person on the telephone, in real time, and what the server made of it.

The person hears the audio to take turns and reads the server's record to know what was said to him.
"""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime
from functools import cache

import aiohttp
import msgspec

from benchmarks.callers import SPEECH_RMS, say, telephone
from benchmarks.people import Person, Task, Wish, Wordings
from benchmarks.stt import distance, normal
from pipelines.errors import NotFound
from pipelines.timing import Mark, waterfall
from voicecore.domain.calendar import Appointment, AppointmentStatus
from voicecore.domain.calls import CallStatus, StoredTurn
from voicecore.phone.caller import Caller, Manners
from voicecore.phone.carrier import CallResult, Destination, EndedBy, place_call
from voicecore.phone.clips import Clip, make_clip
from voicecore.phone.line import Line
from voicecore.phone.noise import Noise
from voicecore.services.calls import CallDetail
from voicecore.services.operator import Operator

RECORD_S = 2.0  # a finished turn is in the database by then; else nothing was said
POLL_S = 0.05
LONGEST_CALL_S = 240.0
_synthesis = threading.Lock()  # espeak-ng has one state a process


@cache
def spoken(text: str, voice: str) -> Clip:
    """Telephone audio of a sentence; blocks for up to a tenth of a second."""
    with _synthesis:
        return make_clip(telephone(*say(text, voice)), text)


class AdaptiveCaller(Caller):
    """A caller whose next utterance is chosen when it is his turn: `waiting` until `offer` is called."""

    def __init__(self, noise: Noise | None) -> None:
        super().__init__((), Manners(), noise)
        self._ending = False
        self.waiting = False

    def offer(self, clip: Clip | None) -> None:
        """None: hangs up."""
        self._ending = clip is None
        if clip is not None:
            self._clips = (*self._clips, clip)
        self.waiting = False

    def _wants_to_speak(self) -> bool:
        if not super()._wants_to_speak():
            return False
        ready = self._ending or self._spoken < len(self._clips)
        self.waiting = not ready
        return ready


class Job(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    wish: Wish
    voice: str
    snr_db: float | None
    half: str

    @property
    def phone(self) -> str:
        return f"+1555020{self.number:04d}"


class Outcome(msgspec.Struct, kw_only=True):
    """What became of one call."""

    job: Job
    completed: bool = False
    wrong: str = ""  # a deed that the caller did not want
    name_error: bool = False
    turns: int = 0
    unanswered: int = 0
    words: int = 0
    word_errors: int = 0
    latencies_ms: list[float] = []
    stages_ms: dict[str, list[float]] = {}
    late_frames: int = 0
    refused: int = 0  # how often the server was too busy
    duration_s: float = 0.0
    ended: str = ""
    transcript: list[str] = []


async def hold(job: Job, url: str, office: Operator, texts: Wordings, now: datetime) -> Outcome:
    """Place the call and judge it."""
    person = Person(job.wish, texts, job.half, now, seed=job.number)
    noise = Noise(SPEECH_RMS, job.snr_db, seed=job.number) if job.snr_db is not None else None
    caller = AdaptiveCaller(noise)
    said: list[str] = []
    running: set[asyncio.Task[None]] = set()
    seen = 0

    async def choose(sid: str) -> None:
        nonlocal seen
        turns = await _turns_after(office, sid, seen)
        seen += len(turns)
        text = person.respond(" ".join(turn.heard_text for turn in turns))
        if text is not None:
            said.append(text)
        caller.offer(await asyncio.to_thread(spoken, text, job.voice) if text is not None else None)

    def observe(line: Line) -> None:
        if caller.waiting and not running:
            task = asyncio.create_task(choose(line.identity.call_sid))
            running.add(task)
            task.add_done_callback(running.discard)

    async with aiohttp.ClientSession() as session:
        target = Destination(url=url, caller=job.phone, agent="receptionist")
        result = await place_call(session, target, caller, timeout_s=LONGEST_CALL_S, observe=observe)
    for task in list(running):
        task.cancel()
    detail = await _ended(office, result.identity.call_sid)
    for turn in detail.turns[seen:]:
        person.respond(turn.heard_text)
    return _judge(job, person, said, result, detail)


async def _turns_after(office: Operator, sid: str, seen: int) -> list[StoredTurn]:
    """The finished turns behind the ones already known, as soon as there are any."""
    tries = int(RECORD_S / POLL_S)
    for _ in range(tries):
        try:
            turns = (await office.find(sid)).turns[seen:]
        except NotFound:
            turns = []
        if turns:
            return turns
        await asyncio.sleep(POLL_S)
    return []


async def _ended(office: Operator, sid: str) -> CallDetail:
    async with asyncio.timeout(10):
        while True:
            detail = await office.find(sid)
            if detail.call.status is CallStatus.ENDED:
                return detail
            await asyncio.sleep(POLL_S)


def _judge(job: Job, person: Person, said: list[str], result: CallResult, detail: CallDetail) -> Outcome:
    outcome = Outcome(job=job, turns=len(said), ended=str(detail.call.end_reason), late_frames=result.late_frames)
    outcome.completed = person.done
    outcome.duration_s = result.frames / 50
    last_answers = result.ended_by is EndedBy.SERVER
    outcome.unanswered = sum(not turn.answered for turn in result.turns[: None if not last_answers else -1])
    for turn in detail.turns:
        if Mark.SPEECH_END in turn.marks and Mark.FIRST_FRAME in turn.marks:
            stages = waterfall(turn.marks)
            outcome.latencies_ms.append(sum(stages.values()))
            for stage, waited in stages.items():
                outcome.stages_ms.setdefault(stage.value, []).append(waited)
    _compare(outcome, said, result, detail)
    return outcome


def _compare(outcome: Outcome, said: list[str], result: CallResult, detail: CallDetail) -> None:
    """Words said against words understood, by time of speaking."""
    spans = [(turn.spoke_from_ms - 400, turn.spoke_to_ms + 200) for turn in result.turns]
    for text, (start, end) in zip(said, spans, strict=False):
        heard = [t for t in detail.turns if t.caller_started_ms is not None and start <= t.caller_started_ms <= end]
        understood = " ".join(t.caller_text for t in heard)
        words = normal(text)
        outcome.words += len(words)
        outcome.word_errors += distance(words, normal(understood))
        outcome.transcript.append(f"said   {text}\nheard  {understood}")
        outcome.transcript += [f"agent  {t.heard_text}" for t in heard]


def judge_deeds(outcome: Outcome, appointments: list[Appointment], local: dict[str, datetime]) -> None:
    """What stands in the calendar under this caller's number is what he wanted, or it is wrong.

    `local`: start of each appointment by its id, local wall-clock time.
    """
    wish = outcome.job.wish
    standing = [a for a in appointments if a.status is not AppointmentStatus.CANCELLED]
    for one in standing:
        start = local[one.external_id]
        if start == wish.old and wish.task in (Task.MOVE, Task.CANCEL):
            continue
        if wish.start is None or start != wish.start:
            outcome.wrong = f"{one.service} at {start} for {one.customer_name}"
        elif wish.task is not Task.MOVE and one.service.lower() != wish.service.replace(" ", ""):
            outcome.wrong = f"{one.service} instead of {wish.service}"
        elif wish.name and one.customer_name.lower() != wish.name:
            outcome.name_error = True
    cancelled = len(appointments) - len(standing)
    if cancelled and wish.task is not Task.CANCEL:
        outcome.wrong = "cancelled an appointment"
    if wish.task is Task.CANCEL:
        outcome.completed = cancelled == 1
    elif wish.start is not None:
        outcome.completed = any(local[a.external_id] == wish.start for a in standing) and not outcome.wrong
