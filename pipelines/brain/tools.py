"""The tools an agent's model may call, and the toolbox that runs them over the ports.

Results are JSON text for the model; what goes wrong is a result it can act upon ("slot_taken" with
alternatives), never an exception. Refuses to know which model calls.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from typing import Any

import msgspec

from config.schema import Capabilities
from pipelines.brain.dates import local
from pipelines.brain.ports import Appointment, Calendar, CallControl, Knowledge, Service, Slot, SlotTaken
from pipelines.brain.tool_table import (
    BY_NAME,
    AvailabilityArguments,
    BookArguments,
    CallbackArguments,
    CancelArguments,
    FindArguments,
    MoveArguments,
    NothingArguments,
    SearchArguments,
    TransferArguments,
    tool_specs,
)
from pipelines.errors import NotFound, VoicecoreError
from pipelines.stages import ToolCall

__all__ = ["Context", "Toolbox", "tool_specs"]

log = logging.getLogger(__name__)

MAX_SLOTS = 48
_ALTERNATIVES = 3
_SEARCH_DAYS = 21  # how far ahead alternatives are looked for
_TOOL_SECONDS = 5.0  # a tool that takes longer has failed: the caller is waiting


def _json(result: dict[str, Any]) -> str:
    return msgspec.json.encode(result).decode()


def _error(code: str, message: str, **more: Any) -> str:
    return _json({"error": code, "message": message, **more})


def _minute(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M")


class Context(msgspec.Struct, frozen=True):
    """What every tool is told about its run. `speculative`: the caller may still be speaking, and the result may
    never be used; a tool that changes anything is not even called then."""

    speculative: bool


class Toolbox:
    """Runs the tools of one call. `now` gives the aware current time in the business's time zone."""

    def __init__(
        self,
        knowledge: Knowledge,
        calendar: Calendar,
        control: CallControl,
        *,
        now: Callable[[], datetime],
        capabilities: Capabilities | None = None,
        caller_phone: str = "",
    ) -> None:
        self._knowledge = knowledge
        self._calendar = calendar
        self._control = control
        self._now = now
        self._caller_phone = caller_phone
        self.specs = tool_specs(capabilities or Capabilities())
        self._allowed = {spec.name for spec in self.specs}
        self._handlers: dict[str, Callable[[Any, Context], Awaitable[str]]] = {
            "search_knowledge": self._search_knowledge,
            "opening_hours": self._opening_hours,
            "list_services": self._list_services,
            "check_availability": self._check_availability,
            "book_appointment": self._book_appointment,
            "find_appointments": self._find_appointments,
            "move_appointment": self._move_appointment,
            "cancel_appointment": self._cancel_appointment,
            "request_callback": self._request_callback,
            "transfer_call": self._transfer_call,
            "end_call": self._end_call,
        }

    def has_side_effect(self, name: str) -> bool:
        return name in BY_NAME and BY_NAME[name].side_effect

    async def run(self, call: ToolCall, *, speculative: bool = False) -> str:
        """The result as JSON text; {"error": code, "message": …} when it did not work. Never raises."""
        if call.name not in self._allowed:
            return _error("unknown_tool", f"there is no tool {call.name}", tools=sorted(self._allowed))
        if BY_NAME[call.name].side_effect and speculative:
            return _error("not_committed", "the caller may still be speaking; nothing was done")
        try:
            arguments = msgspec.convert(call.arguments, BY_NAME[call.name].arguments, strict=False)
            async with asyncio.timeout(_TOOL_SECONDS):
                return await self._handlers[call.name](arguments, Context(speculative))
        except msgspec.ValidationError as error:
            return _error("invalid_arguments", str(error))
        except TimeoutError:
            return _error("timeout", f"{call.name} took longer than {_TOOL_SECONDS:g} s")
        except VoicecoreError as error:
            return _error(error.code, error.message)
        except Exception:  # the boundary to foreign code: the call goes on, the log has the trace
            log.exception("tool failed", extra={"tool": call.name})
            return _error("internal", f"{call.name} did not work")

    # --- looking up -------------------------------------------------------------------------------

    async def _search_knowledge(self, a: SearchArguments, _context: Context) -> str:
        hits = await self._knowledge.search(a.query)
        return _json({"hits": [{"title": h.title, "content": h.content, "score": h.score} for h in hits]})

    async def _list_services(self, _: NothingArguments, _context: Context) -> str:
        return _json({"services": [{"name": s.name, "minutes": s.minutes} for s in await self._calendar.services()]})

    async def _opening_hours(self, _: NothingArguments, _context: Context) -> str:
        hours = await self._calendar.opening_hours()
        now = self._now()
        is_open = any(h.weekday == now.weekday() and h.opens <= now.time() < h.closes for h in hours)
        rows = [{"weekday": h.weekday, "opens": f"{h.opens:%H:%M}", "closes": f"{h.closes:%H:%M}"} for h in hours]
        return _json({"hours": rows, "weekday_0": "monday", "now": _minute(now), "open_now": is_open})

    async def _service(self, name: str) -> Service | None:
        services = await self._calendar.services()
        if not name:
            return min(services, key=lambda s: s.minutes, default=None)
        return next((s for s in services if s.name.lower() == name.lower()), None)

    async def _unknown_service(self, name: str) -> str:
        names = [s.name for s in await self._calendar.services()]
        return _error("unknown_service", f"there is no service {name!r}", services=names)

    async def _check_availability(self, a: AvailabilityArguments, _context: Context) -> str:
        service = await self._service(a.service)
        if service is None:
            return await self._unknown_service(a.service)
        today = self._now().date()
        first = _day(a.date) if a.date else today
        if first < today:
            return _error("in_the_past", "that day is over", today=today.isoformat())
        last = first + timedelta(days=a.days - 1)
        free = await self._free(first, last, service.minutes)
        fitting = [at for at in free if _fits(at, a)]
        weekdays = {h.weekday for h in await self._calendar.opening_hours()}
        result: dict[str, Any] = {
            "service": service.name,
            "minutes": service.minutes,
            "date": first.isoformat(),
            "open": any((first + timedelta(days=d)).weekday() in weekdays for d in range(a.days)),
            "slots": [_minute(at) for at in fitting[:MAX_SLOTS]],
        }
        if not fitting:
            result["alternatives"] = await self._alternatives(free, first, service.minutes, a.time or a.after)
        return _json(result)

    async def _free(self, first: Any, last: Any, minutes: int) -> list[datetime]:
        slots: list[Slot] = await self._calendar.availability(first, last, minutes, 500)
        return sorted({slot.start for slot in slots})

    async def _alternatives(self, same_day: list[datetime], first: Any, minutes: int, near: str) -> list[str]:
        """The nearest free times: around the wanted hour of that day, else on the days after it."""
        free = same_day
        if not free:
            free = await self._free(first, first + timedelta(days=_SEARCH_DAYS), minutes)
            free = [at for at in free if at.date() == free[0].date()] if free else []
        if near:
            wanted = _clock(near)
            free = sorted(free, key=lambda at: abs(_minutes(at.time()) - _minutes(wanted)))
        return [_minute(at) for at in sorted(free[:_ALTERNATIVES])]

    # --- changing ---------------------------------------------------------------------------------

    def _start(self, text: str) -> datetime:
        try:
            at = datetime.fromisoformat(text)
        except ValueError as error:
            raise msgspec.ValidationError(f"no such time: {text}") from error
        zone = self._now().tzinfo
        return at.astimezone(zone) if at.tzinfo else local(at.date(), at.time(), zone)

    async def _taken(self, start: datetime, minutes: int, why: str) -> str:
        free = await self._free(start.date(), start.date(), minutes)
        near = f"{start:%H:%M}"
        return _error("slot_taken", why, alternatives=await self._alternatives(free, start.date(), minutes, near))

    async def _book_appointment(self, a: BookArguments, _context: Context) -> str:
        service = await self._service(a.service)
        if service is None or not a.service:
            return await self._unknown_service(a.service)
        start = self._start(a.start)
        if start <= self._now():
            return _error("in_the_past", "that time is over", now=_minute(self._now()))
        phone = a.customer_phone or self._caller_phone
        try:
            made = await self._calendar.book(start, service.name, a.customer_name, phone, a.notes)
        except SlotTaken as error:
            return await self._taken(start, service.minutes, error.message)
        return _json({"booked": _described(made)})

    async def _find_appointments(self, a: FindArguments, _context: Context) -> str:
        phone = a.customer_phone or ("" if a.customer_name else self._caller_phone)
        found = await self._calendar.find(phone, a.customer_name)
        return _json({"appointments": [_described(one) for one in found]})

    async def _move_appointment(self, a: MoveArguments, _context: Context) -> str:
        start = self._start(a.start)
        if start <= self._now():
            return _error("in_the_past", "that time is over", now=_minute(self._now()))
        try:
            moved = await self._calendar.move(a.appointment_id, start)
        except SlotTaken as error:
            shortest = await self._service("")
            return await self._taken(start, shortest.minutes if shortest else 30, error.message)
        except NotFound as error:
            return _error("not_found", error.message)
        return _json({"moved": _described(moved)})

    async def _cancel_appointment(self, a: CancelArguments, _context: Context) -> str:
        return _json({"cancelled": _described(await self._calendar.cancel(a.appointment_id))})

    async def _request_callback(self, a: CallbackArguments, _context: Context) -> str:
        phone = a.customer_phone or self._caller_phone
        if not phone:
            return _error("invalid_arguments", "customer_phone is needed: the caller's number is not known")
        await self._control.request_callback(a.customer_name, phone, a.reason)
        return _json({"callback": {"customer_name": a.customer_name, "customer_phone": phone}})

    async def _transfer_call(self, a: TransferArguments, _context: Context) -> str:
        await self._control.transfer(a.reason)
        return _json({"ringing": True})

    async def _end_call(self, _: NothingArguments, _context: Context) -> str:
        self._control.end_call()
        return _json({"ended": True})


def _described(one: Appointment) -> dict[str, str]:
    return {
        "id": one.id,
        "service": one.service,
        "start": _minute(one.start),
        "end": _minute(one.end),
        "customer_name": one.customer_name,
    }


def _day(text: str) -> Any:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise msgspec.ValidationError(f"no such day: {text}") from error


def _clock(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise msgspec.ValidationError(f"no such time: {text}") from error


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _fits(at: datetime, a: AvailabilityArguments) -> bool:
    clock = at.time()
    if a.time and clock != _clock(a.time):
        return False
    if a.after and clock < _clock(a.after):
        return False
    return not (a.before and clock > _clock(a.before))
