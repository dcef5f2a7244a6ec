"""What the database answered lately, for as long as it would answer the same: every transaction of this process says
which tables it changed. The connections that ask it first, and that tell it, are here too.

It knows tables by their names only. What another process changed, it learns by asking again after a while.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from datetime import date, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect, FrozenResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from voicecore.storage.schema import metadata

MOST_ROWS = 200_000  # remembered altogether; an answer counts as one more
LONGEST = 10_000  # rows of one answer
MOST_FACTS = 1000
FACT_S = 1.0
SHAPES = 5000  # statements whose tables are known
ALONE_S = 1.0  # a change by the operator's commands is seen after this at the latest
SUMS_S = 600.0  # and one that changes old calls, in sums over very many of them
PER_COST = 1000.0  # such a sum is asked again after this many times what it took
SHARED_S, SHARED_PER_COST, SHARED_FROM_S = 1.0, 20.0, 0.005  # the same where other servers write, and of what cost
OLD = ".old"  # rows of a table that belong to calls that began more than an hour ago, or to none
SETTLED, YOUNG = "settled", "young"  # execution options: asks of such rows alone, changes none of them
_PLAIN = (str, int, float, bool, bytes, datetime, date, type(None))


class Question(msgspec.Struct, frozen=True):
    key: Hashable
    tables: frozenset[str]
    settled: bool


class Answer(msgspec.Struct, frozen=True):
    rows: FrozenResult[Any]
    documents: tuple[int, ...]  # the columns that hold lists or dicts
    as_of: int
    until_s: float

    def again(self) -> Any:
        """A result of its own for each who asks, for documents can be changed."""
        if not self.documents:
            return self.rows()
        copies = [
            tuple(_copied(value) if at in self.documents else value for at, value in enumerate(row))
            for row in self.rows.data
        ]
        return self.rows.with_new_rows(copies)()  # type: ignore[arg-type]


class Memory:
    """`alone`: no other server writes to this database."""

    def __init__(self, dialect: Dialect, *, alone: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.moment = 0  # transactions that changed something
        self.clock = clock
        self._dialect = dialect
        self._alone = alone
        self._changed: dict[str, int] = {}
        self._changing: frozenset[str] = frozenset()  # in the transaction that is being committed
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._rows = 0
        self._facts: dict[Hashable, tuple[Any, frozenset[str], int, float]] = {}
        self._tables: dict[Hashable, frozenset[str]] = {}
        self._asked: dict[Hashable, tuple[int, asyncio.Future[None]]] = {}

    def changing(self, tables: Iterable[str]) -> None:
        """From here on until `changed` nobody can know what of these is seen: a commit takes effect before it returns,
        and who has seen one table's change must not be told what another one of them held before."""
        self._changing = frozenset(tables)

    def changed(self, tables: Iterable[str]) -> None:
        self._changing = frozenset()
        self.moment += 1
        self._changed.update(dict.fromkeys(tables, self.moment))

    def fact(self, about: Hashable) -> Any:
        """What was made of answers to several questions; None: not known, or not any more."""
        found, tables, as_of, until_s = self._facts.get(about, (None, frozenset[str](), 0, 0.0))
        if found is not None and (self.clock() >= until_s or not self._unchanged(tables, as_of)):
            del self._facts[about]
            return None
        return found

    def learn(self, about: Hashable, fact: Any, tables: frozenset[str], as_of: int) -> None:
        """A fact that holds while these tables are as they were at `as_of`, for a second at most."""
        if not self._alone:
            return
        if len(self._facts) >= MOST_FACTS:
            self._facts.clear()
        self._facts[about] = fact, tables, as_of, self.clock() + FACT_S

    def question(self, statement: Any, parameters: Any) -> Question | None:
        """None: cannot be remembered."""
        shape = statement._generate_cache_key() if statement.is_select else None
        if shape is None or isinstance(parameters, list):
            return None
        bound = [parameter.effective_value for parameter in shape.bindparams]
        given = sorted(parameters.items()) if parameters else ()
        settled = bool(statement.get_execution_options().get(SETTLED))
        key = (shape.key, tuple(map(_hashable, bound)), tuple(map(_hashable, given)), settled)
        if shape.key not in self._tables:
            if len(self._tables) >= SHAPES:
                self._tables.clear()
            self._tables[shape.key] = self._tables_of(statement)
        tables = self._tables[shape.key]
        if not tables:
            return None
        return Question(key, frozenset(name + OLD for name in tables) if settled else tables, settled)

    def _tables_of(self, statement: Any) -> frozenset[str]:
        words = set(re.findall(r"\w+", str(statement.compile(dialect=self._dialect))))
        return frozenset(words & set(metadata.tables))

    def known(self, question: Question) -> Any:
        """The answer, None where it is not known, or not any more."""
        answer = self._answers.get(question.key)
        if answer is None:
            return None
        if not self.holds(question, answer.as_of) or self.clock() >= answer.until_s:
            self._forget(question.key)
            return None
        self._answers.move_to_end(question.key)
        return answer.again()

    def holds(self, question: Question, as_of: int) -> bool:
        return self._unchanged(question.tables, as_of)

    def _unchanged(self, tables: frozenset[str], as_of: int) -> bool:
        return self._changing.isdisjoint(tables) and all(self._changed.get(name, 0) <= as_of for name in tables)

    def others(self, question: Question) -> asyncio.Future[None] | None:
        """Done when somebody else has asked the same, and may know."""
        as_of, done = self._asked.get(question.key, (0, None))
        return done if done is not None and self.holds(question, as_of) else None

    def asking(self, question: Question) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked[question.key] = self.moment, done
        return done

    def asked(self, question: Question, done: asyncio.Future[None]) -> None:
        done.set_result(None)
        if self._asked.get(question.key, (0, None))[1] is done:
            del self._asked[question.key]

    def keep(self, question: Question, rows: FrozenResult[Any], as_of: int, took_s: float) -> Answer | None:
        """None: it is not remembered."""
        lasts_s = self._lasts_s(question, took_s)
        if lasts_s <= 0 or len(rows.data) > LONGEST or not self.holds(question, as_of):
            return None
        self._forget(question.key)
        first = rows.data[0] if rows.data else ()
        documents = tuple(at for at in range(len(first)) if any(not isinstance(row[at], _PLAIN) for row in rows.data))
        answer = self._answers[question.key] = Answer(rows, documents, as_of, self.clock() + lasts_s)
        self._rows += len(rows.data) + 1
        while self._rows > MOST_ROWS:
            self._forget(next(iter(self._answers)))
        return answer

    def _lasts_s(self, question: Question, took_s: float) -> float:
        if not self._alone:
            # A row that another server changed must not stand beside one that is remembered: sums over old calls alone.
            worth = question.settled and took_s >= SHARED_FROM_S
            return min(took_s * SHARED_PER_COST, SHARED_S) if worth else 0.0
        return min(max(took_s * PER_COST, ALONE_S), SUMS_S) if question.settled else ALONE_S

    def _forget(self, key: Hashable) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None:
            self._rows -= len(answer.rows.data) + 1


def _hashable(value: Any) -> Hashable:
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return value if isinstance(value, _PLAIN) else repr(value)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


class Reader(AsyncConnection):
    """Connects when something is asked that is not remembered."""

    def __init__(self, engine: AsyncEngine, memory: Memory) -> None:
        super().__init__(engine)
        self._memory = memory
        self._as_of = 0

    async def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        assert not statement.is_dml  # it would be rolled back
        memory = self._memory
        question = memory.question(statement, parameters)
        if question is None:
            return await self._ask(statement, parameters, execution_options)
        while True:
            fits = self.sync_connection is None or memory.holds(question, self._as_of)  # is what this transaction sees
            if fits and (answer := memory.known(question)) is not None:
                return answer
            # Who holds a connection does not wait for somebody who may wait for one.
            others = memory.others(question) if self.sync_connection is None else None
            if others is None:
                break
            await asyncio.wait([others])
        done, began_s = memory.asking(question), memory.clock()
        try:
            rows = (await self._ask(statement, parameters, execution_options)).freeze()
            kept = memory.keep(question, rows, self._as_of, memory.clock() - began_s)
            return rows() if kept is None else kept.again()
        finally:
            memory.asked(question, done)

    async def _ask(self, statement: Any, parameters: Any, execution_options: Any) -> Any:
        await self._begun()
        return await super().execute(statement, parameters, execution_options=execution_options)

    async def run_sync(self, fn: Any, *arg: Any, **kw: Any) -> Any:
        await self._begun()
        return await super().run_sync(fn, *arg, **kw)

    async def exec_driver_sql(self, statement: str, parameters: Any = None, execution_options: Any = None) -> Any:
        await self._begun()
        return await super().exec_driver_sql(statement, parameters, execution_options)

    async def _begun(self) -> None:
        if self.sync_connection is None:
            # What is committed from here on may be missing in what this transaction sees.
            self._as_of = self._memory.moment
            await self.start()
            await self.begin()

    async def leave(self) -> None:
        if self.sync_connection is not None:
            await asyncio.shield(asyncio.ensure_future(self.close()))


class Author(AsyncConnection):
    """Remembers what it changed, for `Memory.changed`."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.touched: set[str] = set()

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
