"""The running minutes of one call: which exchange is open, what is told to the journal, the model and listeners.

Three readers, one writer: the stored turn, the model's history and the shown transcript come from the
same call of the same method, so they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pipelines.errors import StageError
from pipelines.events import CallEvent, EventKind
from pipelines.history import History
from pipelines.journal import Journal
from pipelines.meter import Meter, Said
from pipelines.outlet import Outlet
from pipelines.reply import Reply
from pipelines.stages import Message
from pipelines.timing import Mark, Turn
from pipelines.usage import cost_microusd


class Minutes:
    """`turn` is the exchange being answered, `utterance` the one the caller is speaking now."""

    def __init__(
        self,
        journal: Journal,
        outlet: Outlet,
        history: History,
        now: Callable[[], float],
        meter: Meter | None = None,
    ) -> None:
        self.meter = meter or Meter()
        self._journal = journal
        self._outlet = outlet
        self.now = now
        self._count = 0
        self.history = history
        self.turn: Turn | None = None
        self.utterance: Turn | None = None

    def event(self, kind: EventKind, **data: Any) -> None:
        turn = self.turn or self.utterance
        self._journal.event(CallEvent(kind, self.now(), turn.index if turn else None, data))

    def failed(self, error: StageError) -> None:
        """On the record once, whoever comes across it."""
        if not error.reported:
            error.reported = True
            self.event(EventKind.STAGE_FAILED, stage=error.stage, provider=error.provider, error=error.message)

    def open(self, at_ms: float) -> Turn:
        turn = Turn(index=self._count, started_ms=at_ms)
        self._count += 1
        return turn

    def begin_turn(self) -> Turn:
        """An exchange that no speech began: of the agent's own accord, or keyed in."""
        self.turn = self.open(self.now())
        return self.turn

    def begin_utterance(self, at_ms: float) -> None:
        self.utterance = self.open(at_ms)
        self.utterance.caller_started_ms = at_ms

    def commit(self, speech_end_ms: float) -> Turn:
        """The utterance is over and becomes the turn that is answered."""
        turn, self.utterance = self.utterance, None
        assert turn is not None, "a turn is committed only after an utterance began"
        turn.caller_ended_ms = speech_end_ms
        turn.marks = {Mark.SPEECH_END: speech_end_ms, Mark.ENDPOINT: self.now()}
        self.turn = turn
        self.meter.committed()
        return turn

    def take_back(self) -> bool:
        """The caller goes on with a committed turn. False when it was acted upon already: then it stands."""
        turn = self.turn
        if turn is None or self.history.acted or turn.caller_started_ms is None:
            return False
        self.history.take_back()
        self.meter.discarded()
        turn.marks = {}
        self.turn, self.utterance = None, turn
        self.event(EventKind.TURN_RESUMED)
        return True

    def forget_turn(self) -> None:
        """It was committed, and turned out to be nothing."""
        self.turn = None

    def forget_utterance(self) -> None:
        self.utterance = None

    def caller_said(self, turn: Turn, text: str, added: list[Message]) -> None:
        """`added`: where the reply appends what becomes history with it."""
        turn.caller_text = text
        self.event(EventKind.TURN_COMMITTED, text=text)
        self._outlet.send_transcript("customer", text)
        self.history.caller_said(text, added)

    def generated(self, turn: Turn, reply: Reply) -> None:
        turn.generated_text = reply.text.strip()
        turn.tools = [
            {
                "name": ran.call.name,
                "arguments": ran.call.arguments,
                "result": msgspec.json.decode(ran.result),
                "seconds": round(ran.ended - ran.started, 3),
                "speculative": ran.speculative,
            }
            for ran in reply.tools
        ]

    def close(self, heard: str, agent_ended_ms: float | None, *, interrupted: bool, said: Sequence[Said] = ()) -> None:
        """The exchange will not change any more. `said`: what the voice said of it."""
        turn, self.turn = self.turn, None
        if turn is None:
            return
        turn.heard_text = heard
        turn.agent_ended_ms = agent_ended_ms
        turn.interrupted = interrupted
        turn.ended_ms = self.now()
        self._settle(turn, said)
        self.history.agent_said(heard, interrupted)
        if heard:
            self._outlet.send_transcript("agent", heard)
        kind = EventKind.REPLY_FINISHED
        self._journal.event(CallEvent(kind, turn.ended_ms, turn.index, {"interrupted": interrupted}))
        self._journal.turn_finished(turn)

    def abandon_utterance(self, text: str) -> None:
        """The call ended while the caller spoke: what was understood is kept."""
        turn, self.utterance = self.utterance, None
        if turn is not None:
            turn.caller_text = text or turn.caller_text  # of before he went on
            turn.interrupted = True
            turn.ended_ms = turn.caller_ended_ms = self.now()
            self._settle(turn)
            self._journal.turn_finished(turn)

    def _settle(self, turn: Turn, said: Sequence[Said] = ()) -> None:
        turn.usage = self.meter.settle(said, listening=self.utterance is not None)
        turn.cost_microusd = cost_microusd(turn.usage)
