"""What the company used: its calls and their minutes."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from voicecore.api.kit import Exchange, Route
from voicecore.api.portal.lookups import Lookups
from voicecore.api.portal.periods import PeriodQuery, time_of
from voicecore.api.portal.words import BASE
from voicecore.domain.accounts import Permission
from voicecore.domain.calls import CallFilter, CallStatus, Direction
from voicecore.domain.counted import Counted
from voicecore.services.calls import Calls


class UsagePeriod(msgspec.Struct, kw_only=True):
    """Days of the company's clock, both included."""

    first_day: str = msgspec.field(name="from")
    last_day: str = msgspec.field(name="to")


class UsageResponse(msgspec.Struct, kw_only=True):
    """`total_minutes`: of all finished calls, to two decimals."""

    period: UsagePeriod
    total_calls: int
    total_minutes: float
    inbound_calls: int
    inbound_minutes: float
    outbound_calls: int
    outbound_minutes: float


class BillingHandlers:
    def __init__(self, calls: Calls, lookups: Lookups) -> None:
        self._calls = calls
        self._lookups = lookups

    async def usage(self, exchange: Exchange) -> UsageResponse:
        time = time_of(exchange.query, await self._lookups.zone(exchange))
        wanted = CallFilter(
            statuses=(CallStatus.ENDED,),
            from_at=time.span.start,
            before_at=time.span.end,
            business_uid=await self._lookups.wanted(exchange, Counted.BRANCH, exchange.query.branch_id),
        )
        found = []
        for direction in (None, Direction.INBOUND, Direction.OUTBOUND):
            narrowed = msgspec.structs.replace(wanted, direction=direction)
            totals = await self._calls.totals(exchange.organization_uid, narrowed)
            found.append((totals.calls, round(totals.duration_s / 60, 2)))
        (calls, minutes), (inbound, inbound_minutes), (outbound, outbound_minutes) = found
        days = [at.astimezone(time.tz).date() for at in (time.span.start, time.span.end - timedelta(microseconds=1))]
        return UsageResponse(
            period=UsagePeriod(first_day=days[0].isoformat(), last_day=days[1].isoformat()),
            total_calls=calls,
            total_minutes=minutes,
            inbound_calls=inbound,
            inbound_minutes=inbound_minutes,
            outbound_calls=outbound,
            outbound_minutes=outbound_minutes,
        )

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=f"{BASE}/billing/usage",
                handler=self.usage,
                summary="Calls and minutes of a period, this month if none is named",
                tag="Billing",
                query=PeriodQuery,
                response=UsageResponse,
                permission=Permission.BILLING_VIEW,
                retold=True,
            ),
        ]
