"""Sends finished calls to the CRMs that their workspaces are connected to: who called, then that he called."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from pipelines.errors import ConfigError
from voicecore.dispatch import Dispatch
from voicecore.domain import instants, phone
from voicecore.domain.integrations import CrmKind, CrmRecord, CrmRefused, CrmUnavailable, PushedCall
from voicecore.integrations.http import Access, CrmHttp
from voicecore.services.crm_sync import CrmSync, DueSync
from voicecore.services.crm_tokens import CrmTokens

ATTEMPT_S = 45.0  # all requests of one; less than the lease of a row

log = structlog.get_logger(__name__)


class Crm(Protocol):
    """One vendor's records. Each may raise CrmRefused and CrmUnavailable."""

    async def find(self, access: Access, call: PushedCall) -> CrmRecord | None:
        """The person of the call's number, however it is written there."""
        ...

    async def create(self, access: Access, call: PushedCall) -> CrmRecord: ...

    async def log_call(self, access: Access, call: PushedCall, record: CrmRecord, *, again: bool) -> str:
        """The activity's id. `again`: an earlier attempt may have made it, and its answer was lost."""
        ...


class _Access:
    def __init__(self, tokens: CrmTokens, due: DueSync) -> None:
        self._tokens = tokens
        self._uid = due.integration.uid
        self.instance_url = due.integration.instance_url

    async def token(self, refused: str = "") -> str:
        return await self._tokens.access_token(self._uid, refused)


class CrmCourier(Dispatch[DueSync]):
    """`http` is closed with it."""

    def __init__(self, sync: CrmSync, tokens: CrmTokens, crms: Mapping[CrmKind, Crm], http: CrmHttp) -> None:
        super().__init__()
        self._sync = sync
        self._tokens = tokens
        self._crms = crms
        self._http = http
        self._persons: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def close(self) -> None:
        await super().close()
        await self._http.close()

    async def _due(self, most: int) -> list[DueSync]:
        return await self._sync.due(instants.now(), most)

    async def _attempt(self, due: DueSync) -> None:
        call = await self._sync.call(due.log)
        if call is None:
            await self._sync.settle(due.log, "the call has nobody's number", final=True)
            return
        try:
            async with asyncio.timeout(ATTEMPT_S):
                activity_id = await self._sent(due, call)
        except CrmRefused as error:
            await self._failed(due, error.message, final=True)
        except CrmUnavailable as error:
            await self._failed(due, error.message, retry_after_s=error.retry_after_s)
        except ConfigError as error:  # the key of the stored tokens is missing: somebody may give it
            await self._failed(due, error.message)
        except TimeoutError:
            await self._failed(due, f"not done within {ATTEMPT_S:g} s")
        else:
            await self._sync.settle(due.log, "", activity_id=activity_id)

    async def _sent(self, due: DueSync, call: PushedCall) -> str:
        crm = self._crms[due.integration.kind]
        access = _Access(self._tokens, due)
        again = due.log.record is not None
        person = (due.integration.uid, phone.tail(call.number))
        lock = self._persons.setdefault(person, asyncio.Lock())
        async with lock:  # two calls of one unknown caller make him once
            record = due.log.record or await self._record(due, call, crm, access)
        return await crm.log_call(access, call, record, again=again)

    async def _record(self, due: DueSync, call: PushedCall, crm: Crm, access: Access) -> CrmRecord:
        found = await crm.find(access, call) or await self._sync.filed_lately(due.log)
        record = found or await crm.create(access, call)
        await self._sync.known(due.log, record)
        return record

    async def _failed(self, due: DueSync, error: str, *, final: bool = False, retry_after_s: float = 0.0) -> None:
        settled = await self._sync.settle(due.log, error, final=final, retry_after_s=retry_after_s)
        log.info("crm_push_failed", log=settled.external_id, attempt=settled.attempts, reason=settled.last_error)
