"""Booking through the brain's port and the service: no double booking, hours, tenants, clock changes."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pipelines.brain.ports import SlotTaken
from pipelines.errors import NotFound
from voicecore.domain.calendar import AppointmentFilter
from voicecore.domain.paging import Page
from voicecore.services.agents import RoutedAgent
from voicecore.services.appointments import Appointments, Booking
from voicecore.services.receptionist_ports import AgentCalendar, Callbacks
from voicecore.storage import customers
from voicecore.storage.database import Database

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2030, 1, 21, 6, 0, tzinfo=UTC)  # a Monday
TEN = datetime(2030, 1, 22, 10, 0, tzinfo=BERLIN)


@pytest.fixture
def appointments(database: Database) -> Appointments:
    return Appointments(database, clock=lambda: NOW)


@pytest.fixture
def calendar(appointments: Appointments, one: RoutedAgent) -> AgentCalendar:
    return AgentCalendar(appointments, one.business, None)


async def test_fifty_at_once_for_one_slot_make_exactly_one(
    appointments: Appointments, calendar: AgentCalendar, one: RoutedAgent
) -> None:
    booking = Booking(start=TEN.astimezone(UTC), minutes=30, source="api")
    attempts = [
        calendar.book(TEN, "Check-up", f"Caller {n}", f"+4930555{n:04}")
        if n % 2
        else appointments.book(one.business, booking)
        for n in range(50)
    ]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [r for r in results if isinstance(r, BaseException)]
    assert len(refused) == 49
    assert all(type(error) is SlotTaken for error in refused)
    listed = await appointments.listing(one.agent.organization_uid, AppointmentFilter(), Page())
    assert listed.total == 1


async def test_a_booking_is_found_by_who_the_customer_is_now_else_by_what_was_given(
    appointments: Appointments, one: RoutedAgent
) -> None:
    given = [
        ("Ann Ämter", "+49 30 111-2222"),
        ("Daughter", "+49301112222"),
        ("", "+49303334444"),
        ("Ben", ""),
        ("", ""),
    ]
    for number, (name, phone) in enumerate(given):
        start = (TEN + timedelta(minutes=30 * number)).astimezone(UTC)
        booking = Booking(start=start, minutes=30, customer_name=name, customer_phone=phone)
        await appointments.book(one.business, booking)
    for text, count in (
        ("äMTER", 2),  # the second is of her number
        ("daughter", 0),
        ("030 1112", 2),
        ("0303334444", 1),
        ("ben", 1),
        ("Room 3", 0),
    ):
        wanted = AppointmentFilter(customer_text=text)
        assert (await appointments.listing(one.agent.organization_uid, wanted, Page())).total == count, text


async def test_the_database_itself_refuses_an_overlap(database: Database, calendar: AgentCalendar) -> None:
    await calendar.book(TEN, "Cleaning", "Ann", "+4930111")
    await calendar.book(TEN + timedelta(hours=2), "Cleaning", "Ben", "+4930222")
    around_our_check = sa.text(
        "UPDATE appointments SET starts_at = '2030-01-22 09:30:00.000000',"
        " ends_at = '2030-01-22 10:30:00.000000' WHERE customer_name = 'Ben'"
    )
    async with database.write() as connection:
        with pytest.raises(IntegrityError, match="taken at that time"):
            await connection.execute(around_our_check)


async def test_touching_appointments_are_fine_and_overlapping_ones_are_not(calendar: AgentCalendar) -> None:
    await calendar.book(TEN, "Cleaning", "Ann", "")
    await calendar.book(TEN + timedelta(hours=1), "Check-up", "Ben", "")
    await calendar.book(TEN - timedelta(minutes=30), "Check-up", "Cid", "")
    for minutes in (-15, 0, 15, 45, 75):
        with pytest.raises(SlotTaken):
            await calendar.book(TEN + timedelta(minutes=minutes), "Check-up", "Dan", "")


@pytest.mark.parametrize(
    "start",
    [
        TEN.replace(hour=8),
        TEN.replace(hour=16, minute=45),
        TEN.replace(hour=23),
        datetime(2030, 1, 20, 12, 0, tzinfo=BERLIN),  # yesterday
    ],
)
async def test_closed_and_past_times_are_refused(calendar: AgentCalendar, start: datetime) -> None:
    with pytest.raises(SlotTaken):
        await calendar.book(start, "Check-up", "Ann", "")


async def test_book_find_move_cancel(calendar: AgentCalendar, appointments: Appointments) -> None:
    booked = await calendar.book(TEN, "check-up", "Max Mustermann", "+49 30 1234567", "first visit")
    assert (booked.start, booked.service, booked.end - booked.start) == (TEN, "Check-up", timedelta(minutes=30))
    assert [a.id for a in await calendar.find("030 1234567")] == [booked.id]
    assert [a.id for a in await calendar.find("", "max musterman")] == [booked.id]
    assert await calendar.find("030 7654321") == []
    assert await calendar.find("") == []
    moved = await calendar.move(booked.id, TEN + timedelta(minutes=15))  # over its own old time
    assert moved.start == TEN + timedelta(minutes=15)
    with pytest.raises(SlotTaken):
        await calendar.move(booked.id, TEN.replace(hour=20))
    assert (await calendar.cancel(booked.id)).id == booked.id
    assert await calendar.find("030 1234567") == []
    for refused in (calendar.cancel(booked.id), calendar.move(booked.id, TEN), calendar.cancel("apt_x")):
        with pytest.raises(NotFound):
            await refused
    await calendar.book(TEN, "Cleaning", "Ann", "")  # its time is free again


async def test_availability_is_what_can_be_booked(calendar: AgentCalendar) -> None:
    await calendar.book(TEN, "Cleaning", "Ann", "")
    slots = await calendar.availability(date(2030, 1, 22), date(2030, 1, 22), 60)
    starts = [slot.start.strftime("%H:%M") for slot in slots]
    assert starts == ["09:00", "11:00", "11:30", "12:00", "12:30", "13:00", "13:30", "14:00", "14:30", "15:00",
                      "15:30", "16:00"]  # fmt: skip
    today = await calendar.availability(date(2030, 1, 20), date(2030, 1, 21), 30, limit=3)
    nine = datetime(2030, 1, 21, 9, 0, tzinfo=BERLIN)
    assert [slot.start for slot in today] == [nine, nine.replace(minute=30), nine.replace(hour=10)]
    for slot in slots[1::4]:
        await calendar.book(slot.start, "Cleaning", "Ben", "")


async def test_another_organization_cannot_touch_it(
    appointments: Appointments, calendar: AgentCalendar, two: RoutedAgent
) -> None:
    booked = await calendar.book(TEN, "Check-up", "Ann", "+49301234567")
    foreign = AgentCalendar(appointments, two.business, None)
    assert await foreign.find("+49301234567", "Ann") == []
    for refused in (foreign.cancel(booked.id), foreign.move(booked.id, TEN + timedelta(days=6))):
        with pytest.raises(NotFound):
            await refused
    assert [a.id for a in await calendar.find("+49301234567")] == [booked.id]


async def test_customers_are_found_by_number_or_made(
    database: Database, calendar: AgentCalendar, one: RoutedAgent
) -> None:
    await calendar.book(TEN, "Check-up", "Max", "+49 30 1234567")
    await calendar.book(TEN + timedelta(hours=1), "Check-up", "Maks", "0301234567")
    callbacks = Callbacks(database, one.business, None)
    await callbacks.request_callback("Max", "004930 1234567", "prices")
    async with database.read() as connection:
        organization = one.agent.organization_uid
        known = await customers.with_number(connection, organization, "+49301234567")
        requests = await customers.callbacks(connection, organization)
    assert [customer.name for customer in known] == ["Max"]
    assert [(r.customer_uid, r.reason) for r in requests] == [(known[0].uid, "prices")]
