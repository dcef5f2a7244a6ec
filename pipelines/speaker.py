"""The agent's side of one call: the one reply that is being made or heard, from its beginning to its end.

Says fixed texts (greeting, re-prompt, goodbye, filler), stops at once, and knows when a reply is over and what
of it was heard. It asks no model and does not decide when to speak.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from pipelines.ending import Ending
from pipelines.errors import StageError
from pipelines.events import EndReason, EventKind
from pipelines.listener import Listener
from pipelines.machines.silence import Silence
from pipelines.machines.turns import TurnMachine
from pipelines.minutes import Minutes
from pipelines.mouth import Mouth
from pipelines.pacer import Pacer
from pipelines.reply import Reply
from pipelines.stages import Tts, Voice
from pipelines.tasks import CallTasks
from pipelines.timing import Mark, Turn


class Speaker:
    """One reply at a time. Ticked by the pacer while it is audible."""

    def __init__(
        self,
        tts: Tts,
        voice: Voice,
        mouth: Mouth,
        floor: TurnMachine,
        listener: Listener,
        minutes: Minutes,
        silence: Silence,
        ending: Ending,
        tasks: CallTasks,
        pacer: Pacer,
        now: Callable[[], float],
    ) -> None:
        self._tts = tts
        self._voice = voice
        self._mouth = mouth
        self._floor = floor
        self._listener = listener
        self._minutes = minutes
        self._silence = silence
        self._ending = ending
        self._tasks = tasks
        self._pacer = pacer
        self._now = now
        self._reply: Reply | None = None
        self._making: asyncio.Task[None] | None = None

    # --- making a reply -----------------------------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever has to be awaited until the next reply is complete; `cancel` cancels it."""
        self._making = self._tasks.spawn(work)

    def begin(self, turn: Turn) -> Reply:
        """The reply to this turn; `complete` is to follow."""

        def audible() -> None:
            at_ms = self._mouth.first_heard_ms
            assert at_ms is not None
            turn.agent_started_ms = at_ms
            turn.marks.setdefault(Mark.FIRST_AUDIO, at_ms)
            turn.marks.setdefault(Mark.FIRST_FRAME, at_ms)
            self._floor.reply_audible()
            self._pacer.add(self)
            self._minutes.event(EventKind.REPLY_STARTED)

        def stamp(mark: Mark) -> None:
            self._minutes.stamp(turn, mark)

        self._reply = Reply(self._tts, self._voice, self._mouth, stamp, audible)
        return self._reply

    def complete(self, turn: Turn, reply: Reply) -> None:
        """All of the reply is written and synthesised; it may still be playing."""
        self._minutes.generated(turn, reply)
        for tool in turn.tools:
            self._minutes.event(EventKind.TOOL_FINISHED, **tool)
        self._floor.expect = reply.expect
        self._listener.expect(reply.expect)
        self._mouth.complete(reply.generation)
        if self._mouth.first_heard_ms is None:
            self._over()

    # --- fixed texts --------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Speak of our own accord: greeting, re-prompt, goodbye."""
        turn = self._minutes.begin_turn()
        self._floor.reply_pending()
        self._silence.speaking_unasked()
        self.start(self._say(turn, text))

    async def _say(self, turn: Turn, text: str) -> None:
        reply = self.begin(turn)
        try:
            await reply.speak_text(text)
        except StageError as error:
            self._minutes.event(EventKind.STAGE_FAILED, stage=error.stage, error=error.message)
            if self._ending.turn_failed():
                self._ending.end(EndReason.PIPELINE_FAILED)
        reply.expect = self._floor.expect
        self.complete(turn, reply)

    def fill(self, text: str) -> None:
        """Excuse the silence before a reply, once, unless its own first words are on their way."""
        reply = self._reply
        if reply is not None and not reply.filled and reply.mute:
            reply.filled = True
            self._minutes.event(EventKind.FALLBACK_SPOKEN, text=text)
            self._tasks.spawn(self._fill(reply, text))

    async def _fill(self, reply: Reply, text: str) -> None:
        try:
            await reply.fill(text)
        except StageError as error:
            self._minutes.event(EventKind.STAGE_FAILED, stage=error.stage, error=error.message)

    # --- the end of a reply -------------------------------------------------------------------------

    def tick(self, now_ms: float) -> None:
        """From the pacer, each 20 ms while the agent speaks."""
        if self._mouth.tick(now_ms):
            self._over()

    def _over(self) -> None:
        """The reply was heard to its end, or there was nothing to hear."""
        self._pacer.remove(self)
        turn, audible = self._minutes.turn, self._mouth.first_heard_ms is not None
        heard = turn.generated_text if turn and audible else ""
        self._minutes.close(heard, self._mouth.playout.ends_ms if audible else None, interrupted=False)
        self._reply = None
        now = self._now()
        self._silence.quiet_since(now)
        self._floor.protected = False
        self._floor.reply_over()
        self._ending.reply_over(now)

    def cancel(self, barge_in: str = "") -> None:
        """Stop the running reply at once; the record keeps what was heard of it, and why the caller took over."""
        if self._making is not None:
            self._making.cancel()
            self._making = None
        self._pacer.remove(self)
        reply, self._reply = self._reply, None
        audible = reply is not None and self._mouth.first_heard_ms is not None
        heard, at_ms = self._mouth.cancel()
        if audible:
            self._silence.quiet_since(at_ms)
        turn = self._minutes.turn
        if turn is None:
            return
        if reply is not None:
            self._minutes.generated(turn, reply)
        unasked = turn.caller_started_ms is None  # nobody can go on with a turn that he did not begin
        if audible or unasked or self._minutes.history.acted:
            if barge_in and audible:
                self._minutes.event(EventKind.BARGE_IN, reason=barge_in, heard=heard)
            self._minutes.close(heard, at_ms if audible else None, interrupted=True)
