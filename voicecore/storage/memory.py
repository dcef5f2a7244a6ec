"""What the database answered lately, for as long as it would answer the same: every transaction of this process says
which tables it changed.

It knows tables by their names only. What another process changed, it learns by asking again after a while.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Set
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy.engine import Dialect, FrozenResult

from voicecore.storage import watch
from voicecore.storage.schema import metadata

MOST_ROWS = 200_000  # remembered altogether; an answer counts as one more
LONGEST = 10_000  # rows of one answer
MOST_FACTS = 1000
FACT_S = 1.0
SHAPES = 5000  # statements whose tables are known
ALONE_S = 1.0  # a change by the operator's commands is seen after this at the latest
SUMS_S = 7500.0  # for so long sums over old calls are asked for: an hour, and another one in which the next are known
PER_COST = 1000.0  # such a sum is asked again after this many times what it took
SHARED_S, SHARED_PER_COST, SHARED_FROM_S = 1.0, 20.0, 0.005  # the same where other servers write, and of what cost
OLD = ".old"  # rows of a table that belong to calls that began more than an hour ago, or to none
SETTLED, YOUNG = "settled", "young"  # execution options: asks of such rows alone, changes none of them
_PLAIN = (str, int, float, bool, bytes, datetime, date, type(None))


class Question(msgspec.Struct, frozen=True):
    key: Hashable
    shape: Hashable  # of the statement, whatever its parameters are
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
        self.alone = alone
        self._changed: dict[str, int] = {}
        self._changing: frozenset[str] = frozenset()  # in the transaction that is being committed
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._rows = 0
        self._ends: list[tuple[float, int, Hashable]] = []  # a heap: when answers end, each one's number, their keys
        self._numbers = itertools.count()
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
        if found is None:
            return None
        if self.clock() >= until_s or not self.unchanged(tables, as_of):
            del self._facts[about]
            return None
        watch.saw(tables, until_s)
        return found

    def learn(self, about: Hashable, fact: Any, tables: frozenset[str], as_of: int) -> None:
        """A fact that holds while these tables are as they were at `as_of`, for a second at most."""
        if not self.alone:
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
        return Question(key, shape.key, frozenset(name + OLD for name in tables) if settled else tables, settled)

    def _tables_of(self, statement: Any) -> frozenset[str]:
        words = set(re.findall(r"\w+", str(statement.compile(dialect=self._dialect))))
        return frozenset(words & set(metadata.tables))

    def remembers(self, question: Question) -> bool:
        answer = self._answers.get(question.key)
        return answer is not None and self.holds(question, answer.as_of) and self.clock() < answer.until_s

    def forget(self) -> None:
        """Somebody else has changed something."""
        self.changed({name + end for name in metadata.tables for end in ("", OLD)})

    def known(self, question: Question) -> Any:
        """The answer, None where it is not known, or not any more."""
        if not self.remembers(question):
            self._forget(question.key)
            return None
        answer = self._answers[question.key]
        self._answers.move_to_end(question.key)
        watch.saw(question.tables, answer.until_s)
        return answer.again()

    def holds(self, question: Question, as_of: int) -> bool:
        return self.unchanged(question.tables, as_of)

    def unchanged(self, tables: Set[str], as_of: int) -> bool:
        """No transaction changed one of them since then, or may just be doing so."""
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
        self._forget_ended()
        first = rows.data[0] if rows.data else ()
        documents = tuple(at for at in range(len(first)) if any(not isinstance(row[at], _PLAIN) for row in rows.data))
        answer = self._answers[question.key] = Answer(rows, documents, as_of, self.clock() + lasts_s)
        heapq.heappush(self._ends, (answer.until_s, next(self._numbers), question.key))
        self._rows += len(rows.data) + 1
        while self._rows > MOST_ROWS:
            self._forget(next(iter(self._answers)))
        return answer

    def _lasts_s(self, question: Question, took_s: float) -> float:
        if not self.alone:
            # A row that another server changed must not stand beside one that is remembered: sums over old calls alone.
            worth = question.settled and took_s >= SHARED_FROM_S
            return min(took_s * SHARED_PER_COST, SHARED_S) if worth else 0.0
        return min(max(took_s * PER_COST, ALONE_S), SUMS_S) if question.settled else ALONE_S

    def _forget_ended(self) -> None:
        """Most are asked once, for they name an instant: nobody would come upon them again."""
        now = self.clock()
        while self._ends and self._ends[0][0] <= now:
            key = heapq.heappop(self._ends)[2]
            if (answer := self._answers.get(key)) is not None and answer.until_s <= now:
                self._forget(key)

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
