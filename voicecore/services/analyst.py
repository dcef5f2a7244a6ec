"""Makes the analysis of every call that is over: once, beside the calls that run, after a restart where it left off.

What waits stands in the database, so that nothing grows here; a call that a dead process had taken is due again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.engines import EngineRoom
from pipelines.errors import VoicecoreError
from voicecore.domain import instants
from voicecore.domain.analyses import Analysis
from voicecore.domain.calls import Call
from voicecore.domain.workspaces import Addon
from voicecore.services.analysis import judging, model
from voicecore.services.analysis.gathering import Work, gathered
from voicecore.services.analysis.words import languages
from voicecore.storage import analyses as rows
from voicecore.storage import workspaces
from voicecore.storage.database import Database

AT_ONCE = 10  # calls in one step; a step is taken every second
ASKING = 4  # language models that are asked at once
LEASE = timedelta(minutes=10)  # longer than the slowest models take for all of a step

log = structlog.get_logger(__name__)

Made = tuple[Call, Analysis]
T = TypeVar("T")


class Analyst:
    """`step` begins what is due; what models are asked goes on until `idle` or `close`."""

    def __init__(self, database: Database, engines: EngineRoom) -> None:
        self._database = database
        self._engines = engines
        self._asking: set[asyncio.Task[None]] = set()
        self._models = asyncio.Semaphore(ASKING)
        self._ready = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="analysis")

    async def step(self) -> int:
        """Returns how many calls it took."""
        if not self._ready:
            await self._aside(languages)  # a third of a second, before the first call is over
            self._ready = True
        now = instants.now()
        room, until = AT_ONCE - len(self._asking), now + LEASE
        async with self._database.read() as connection:
            if room <= 0 or not await rows.any_due(connection, now):
                return 0
        async with self._database.append() as connection:
            taken = await rows.claim(connection, now, until, room)
            owners = {call.organization_uid for call in taken}
            off = {owner for owner in owners if not await _switched_on(connection, owner)}
            await rows.leave_out(connection, [call.uid for call in taken if call.organization_uid in off])
        async with self._database.read() as connection:
            works = await gathered(connection, [call for call in taken if call.organization_uid not in off])
        await self._judge(works, until)
        return len(taken)

    async def idle(self) -> None:
        """Everything that was begun is over."""
        while self._asking:
            await asyncio.gather(*self._asking, return_exceptions=True)

    async def close(self) -> None:
        """What is cut off is due again when its lease is over."""
        for task in self._asking:
            task.cancel()
        await self.idle()
        self._thread.shutdown(wait=False)

    async def _aside(self, work: Callable[[], T]) -> T:
        """In the one thread that analyses have."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _judge(self, works: Sequence[Work], until: datetime) -> None:
        made: list[Made] = []
        hopeless: list[str] = []
        for work in works:
            call = work.material.call
            try:
                found = await self._aside(partial(judging.analysed, work.material))
            except Exception:  # whatever was said in one call, the others get theirs
                log.exception("analysis_failed", call_id=call.external_id)
                hopeless.append(call.uid)
                continue
            if work.agent is None or work.agent.config.analysis == "words":
                made.append((call, found))
            else:
                self._begin(work, found, until)
        await self._keep(made, until)
        if hopeless:
            async with self._database.append() as connection:
                await rows.leave_out(connection, hopeless)

    def _begin(self, work: Work, found: Analysis, until: datetime) -> None:
        task = asyncio.create_task(self._ask(work, found, until), name="analysis")
        self._asking.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("analysis_failed", exc_info=error)

    async def _ask(self, work: Work, found: Analysis, until: datetime) -> None:
        assert work.agent is not None
        call = work.material.call
        try:
            chains = await self._engines.chains(work.agent.config, call.organization_uid)
        except VoicecoreError as error:
            found = msgspec.structs.replace(found, trouble=f"{type(error).__name__}: {error.message}"[:300])
        else:
            async with self._models:
                found = await model.judged(found, call, work.material.utterances(), chains.llm)
        if found.trouble:
            log.warning("analysis_without_model", call_id=call.external_id, reason=found.trouble)
        await self._keep([(call, found)], until)

    async def _keep(self, made: Sequence[Made], until: datetime) -> None:
        if not made:
            return
        async with self._database.append() as connection:
            mine = await rows.still_mine(connection, [call.uid for call, _ in made], until)
            await rows.store(connection, [(call, one) for call, one in made if call.uid in mine])


async def _switched_on(connection: AsyncConnection, organization_uid: str) -> bool:
    return Addon.OPENAI_ANALYSIS in await workspaces.switched_on(connection, organization_uid)
