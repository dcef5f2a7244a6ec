"""What is done beside calls and requests: sending webhooks, making exports, removing files that are over."""

from __future__ import annotations

import asyncio

import structlog

from voicecore.courier import Courier
from voicecore.services.audio_desk import AudioDesk
from voicecore.services.privacy import Privacy

EVERY_S = 1.0
AFTER_TROUBLE_S = 10.0

log = structlog.get_logger(__name__)


class Chores:
    """Every process of a server does them: each row is taken by one, or harmless to do twice."""

    def __init__(self, courier: Courier, privacy: Privacy, audio: AudioDesk) -> None:
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
        await self._courier.close()

    async def _run(self) -> None:
        chores = (self._courier.step, self._privacy.step, self._audio.sweep)
        while True:
            wait_s = EVERY_S
            for chore in chores:
                try:
                    await chore()
                except Exception:  # whatever is wrong with one, the others are done
                    log.exception("chore_failed", chore=chore.__qualname__)
                    wait_s = AFTER_TROUBLE_S
            await asyncio.sleep(wait_s)
