"""Long lists of finished calls: the few facts that they show in one query, for a thousand whole rows at once would
keep the calls that run waiting."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.call_overview import CallOverview
from voicecore.domain.calls import CallFilter, Direction
from voicecore.domain.paging import Page
from voicecore.storage import records
from voicecore.storage.calls import narrowed
from voicecore.storage.schema import call_analyses, calls, customers, recordings


async def overview(
    connection: AsyncConnection, organization_uid: str, wanted: CallFilter, page: Page
) -> list[CallOverview]:
    """Newest first. Others may have reported a summary as notes."""
    column = calls.c
    outbound = column.direction == Direction.OUTBOUND.value
    name = sa.func.coalesce(sa.func.nullif(column.party_name, ""), customers.c.name, "")
    said = sa.func.coalesce(sa.func.nullif(call_analyses.c.summary, ""), column.notes)
    file = sa.func.coalesce(recordings.c.external_id + "." + recordings.c.format, "")
    joined = (
        calls.outerjoin(customers, customers.c.uid == column.customer_uid)
        .outerjoin(call_analyses, call_analyses.c.call_uid == column.uid)
        .outerjoin(recordings, recordings.c.call_uid == column.uid)
    )
    query = (
        sa.select(
            column.uid,
            sa.case((outbound, column.to_number), else_=column.from_number).label("party_number"),
            name.label("party_name"),
            column.duration_s,
            column.end_reason,
            said.label("summary"),
            file.label("recording_file"),
            column.recording_url,
            column.created_at,
        )
        .select_from(joined)
        .where(*narrowed(organization_uid, wanted))
        .order_by(column.created_at.desc(), column.seq.desc())
        .offset(page.offset)
        .limit(page.count)
    )
    return await records.every(connection, CallOverview, query)
