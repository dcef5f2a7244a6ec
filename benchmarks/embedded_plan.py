"""Who calls in the embedded benchmark: wishes, voices and noise in turn, the same for every run of a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import cycle, product
from typing import Any

from benchmarks.callers import voices
from benchmarks.embedded_calls import Job
from benchmarks.people import BOOKINGS, Task, Wish, open_on, wordings
from config.agents import shipped_agents
from pipelines.brain.dates import say_date

AGENT = "receptionist"
SERVICES = {"check up": 30, "cleaning": 60, "filling": 60, "whitening": 90}
TIMES = (time(9), time(10, 30), time(12), time(13, 30), time(15), time(16, 30))  # no two overlap, whatever is done
OTHER_TASKS = (Task.HOURS, Task.MOVE, Task.CANCEL, Task.HUMAN, Task.GOODBYE)


def plan(count: int, first: int, half: str, now: datetime, only: str) -> list[Job]:
    """`count` callers: as many bookings, questions and other wishes; voices and noise in turn."""
    texts, slots = wordings(), _slots(now.date())
    tasks = _tasks(first + count, texts)
    speakers = cycle(product((None, 20.0), voices()))
    jobs = []
    for number, (task, article) in enumerate(tasks):
        snr_db, voice = next(speakers)
        wish = _wish(task, article, number, texts["names"][half], slots, now)
        jobs.append(Job(number=number, wish=wish, voice=voice, snr_db=snr_db, half=half))
    return [job for job in jobs[first:] if only in f"{job.wish.task} {job.wish.article} {job.voice}"]


def _tasks(count: int, texts: dict[str, Any]) -> list[tuple[Task, str]]:
    articles, bookings, others = cycle(texts["faq"]), cycle(BOOKINGS), cycle(OTHER_TASKS)
    found: list[tuple[Task, str]] = []
    while len(found) < count:
        found += [(Task.FAQ, next(articles)), (next(bookings), ""), (next(others), "")]
    return found[:count]


def _slots(today: date) -> list[datetime]:
    """Free times on distinct days first, so that every caller can have what he wants."""
    days = [today + timedelta(days=ahead) for ahead in range(1, 20)]
    return [datetime.combine(day, at) for at in TIMES for day in days if day.weekday() < 4]


def _wish(task: Task, article: str, number: int, names: Sequence[str], slots: list[datetime], now: datetime) -> Wish:
    agent = next(agent for agent in shipped_agents() if agent.id == AGENT)
    name = names[number % len(names)]
    service = list(SERVICES)[number // 3 % len(SERVICES)]
    if task is Task.FAQ:
        content = next(a.content for a in agent.knowledge if a.title == article)
        return Wish(task=task, article=article, answer=content.partition(".")[0])
    if task is Task.HOURS:
        day = now.date() + timedelta(days=number % 6 + 1)
        closed = day.weekday() > 4
        closes = time(16) if day.weekday() == 4 else time(18)
        answer = f"On {say_date(day)} we are closed" if closed else open_on(day, time(9), closes)
        return Wish(task=task, weekday=f"{day:%A}".lower(), answer=answer)
    if task in BOOKINGS:
        start = slots.pop(0)
        first = _another_time(start, slots.pop(0)) if task is Task.BOOKING_CORRECTED else None
        return Wish(task=task, service=service, start=start, first_start=first, name=name)
    if task is Task.MOVE:
        return Wish(task=task, service=service, start=slots.pop(0), old=slots.pop(0), name=name)
    if task is Task.CANCEL:
        return Wish(task=task, service=service, old=slots.pop(0), name=name)
    return Wish(task=task)


def _another_time(start: datetime, spare: datetime) -> datetime:
    """On the same day, at the spare slot's time of day where that differs."""
    return datetime.combine(start.date(), spare.time() if spare.time() != start.time() else time(14, 30))
