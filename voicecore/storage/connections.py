"""The connections that repositories are given: one that asks the memory first and connects when something is not
remembered, and one that tells it what is changed."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import FrozenResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from voicecore.storage import watch
from voicecore.storage.foresight import Foresight
from voicecore.storage.memory import OLD, YOUNG, Memory, Question
from voicecore.storage.pace import Pace
from voicecore.storage.schema import metadata
from voicecore.storage.views import View


class Reader(AsyncConnection):
    """`engine` stands for the database where SQLAlchemy wants one; what is asked, the `view` is asked."""

    def __init__(self, engine: AsyncEngine, memory: Memory, foresight: Foresight, view: View, pace: Pace) -> None:
        super().__init__(engine)
        self._memory = memory
        self._foresight = foresight
        self._pace = pace
        self._view = view
        self._begun = False
        self._as_of = 0

    def remembers(self, statement: Any) -> bool:
        """It would not have to be asked now."""
        question = self._memory.question(statement, None)
        if question is None or (self._begun and not self._memory.holds(question, self._as_of)):
            return False
        return self._memory.remembers(question)

    def want(self, statement: Any) -> None:
        """Let it be asked, so that it is remembered soon."""
        if (question := self._memory.question(statement, None)) is not None:
            self._foresight.want(question.key, statement)

    async def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        assert not statement.is_dml  # it would be rolled back
        answer = await self._answer(statement, parameters)
        await self._pace.keep()
        return answer

    async def _answer(self, statement: Any, parameters: Any) -> Any:
        memory = self._memory
        question = memory.question(statement, parameters)
        if question is None:
            watch.lost()
            return (await self._ask(statement, parameters, None))()
        while True:
            fits = not self._begun or memory.holds(question, self._as_of)  # is what this transaction sees
            if fits and (answer := memory.known(question)) is not None:
                return answer
            # Who holds a connection does not wait for somebody who may wait for one.
            others = memory.others(question) if not self._begun else None
            if others is None:
                return await self._asked(statement, parameters, question)
            await asyncio.wait([others])

    async def _asked(self, statement: Any, parameters: Any, question: Question) -> Any:
        memory = self._memory
        done, began_s = memory.asking(question), memory.clock()
        try:
            rows = await self._ask(statement, parameters, question)
            kept = memory.keep(question, rows, self._as_of, memory.clock() - began_s)
        finally:
            memory.asked(question, done)
        if kept is None:
            watch.lost()
            return rows()
        watch.saw(question.tables, kept.until_s)
        return kept.again()

    async def _ask(self, statement: Any, parameters: Any, question: Question | None) -> FrozenResult[Any]:
        await self._begin()
        return await self._view.ask(statement, parameters, None if question is None else question.shape)

    async def run_sync(self, fn: Any, *arg: Any, **kw: Any) -> Any:
        watch.lost()
        await self._begin()
        return await self._view.run(lambda connection: fn(connection, *arg, **kw))

    async def exec_driver_sql(self, statement: str, parameters: Any = None, execution_options: Any = None) -> Any:
        return await self.run_sync(lambda connection: connection.exec_driver_sql(statement, parameters).freeze()())

    async def _begin(self) -> None:
        if not self._begun:
            # What is committed from here on may be missing in what this transaction sees.
            self._begun, self._as_of = True, self._memory.moment
            await self._view.begin()

    async def leave(self) -> None:
        if self._begun:
            await asyncio.shield(asyncio.ensure_future(self._view.close()))


class Author(AsyncConnection):
    """Remembers what it changed, for `Memory.changed`."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.touched: set[str] = set()
        watch.lost()

    async def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        if statement.is_dml:
            names = _FOLLOWING[statement.table.name] if statement.is_delete else {statement.table.name}
            self.touched |= names
            if not statement.get_execution_options().get(YOUNG):
                self.touched |= {name + OLD for name in names}
        elif isinstance(statement, sa.TextClause):
            self.touched |= {name + end for name in metadata.tables for end in ("", OLD)}
        return await super().execute(statement, parameters, execution_options=execution_options)


def _following() -> dict[str, set[str]]:
    """Which tables change when a row of one is deleted: its own, and those that refer to it, and so on."""
    found = {name: {name} for name in metadata.tables}
    grown = True
    while grown:
        grown = False
        for name, table in metadata.tables.items():
            for target in {key.column.table.name for key in table.foreign_keys}:
                for names in found.values():
                    if target in names and name not in names:
                        names.add(name)
                        grown = True
    return found


_FOLLOWING = _following()
