"""What is done beside calls and requests: dialling calls that are due, analysing finished calls, sending webhooks,
making exports, removing files that are over, counting calls, learning what articles mean."""

from __future__ import annotations

import asyncio

import structlog

from voicecore.courier import Courier
from voicecore.integrations.courier import CrmCourier
from voicecore.services.analyst import Analyst
from voicecore.services.audio_desk import AudioDesk
from voicecore.services.concurrency import Concurrency
from voicecore.services.downloads import Downloads
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.outbound import Outbound
from voicecore.services.privacy import Privacy
from voicecore.services.retention import Retention
from voicecore.services.upkeep import Upkeep

EVERY_S = 1.0
AFTER_TROUBLE_S = 10.0

log = structlog.get_logger(__name__)


class Chores:
    """Every process of a server does them: each row is taken by one, or harmless to do twice."""

    def __init__(
        self,
        courier: Courier,
        privacy: Privacy,
        audio: AudioDesk,
        analyst: Analyst,
        concurrency: Concurrency,
        crm: CrmCourier,
        downloads: Downloads,
        outbound: Outbound,
        retention: Retention,
        knowledge: KnowledgeBase,
        upkeep: Upkeep,
    ) -> None:
        self._upkeep = upkeep
        self._knowledge = knowledge
        self._retention = retention
        self._outbound = outbound
        self._downloads = downloads
        self._crm = crm
        self._analyst = analyst
        self._concurrency = concurrency
        self._courier = courier
        self._privacy = privacy
        self._audio = audio
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="chores")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._analyst.close()
        await self._courier.close()
        await self._crm.close()

    async def _run(self) -> None:
        # Analyses go first: what webhooks tell of a call that is over has its summary in it.
        chores = (
            *(self._outbound.step, self._analyst.step, self._courier.step, self._privacy.step),
            *(self._audio.sweep, self._downloads.sweep, self._concurrency.step, self._crm.step),
            *(self._retention.step, self._knowledge.step, self._upkeep.step),
        )
        while True:
            wait_s = EVERY_S
            for chore in chores:
                try:
                    await chore()
                except Exception:  # whatever is wrong with one, the others are done
                    log.exception("chore_failed", chore=chore.__qualname__)
                    wait_s = AFTER_TROUBLE_S
            await asyncio.sleep(wait_s)
