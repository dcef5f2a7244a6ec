"""The agent's side of one call: the one reply that is being made or heard, from its beginning to its end.

Says fixed texts (greeting, re-prompt, goodbye, filler), stops at once, and knows when a reply is over and what
of it was heard. It asks no model and does not decide when to speak.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from math import ceil, inf
from typing import Any

from pipelines.ending import Ending
from pipelines.errors import StageError
from pipelines.events import EndReason, EventKind
from pipelines.listener import Listener
from pipelines.machines.silence import Silence
from pipelines.machines.turns import TurnMachine
from pipelines.minutes import Minutes
from pipelines.mouth import Mouth
from pipelines.pacer import TICK_S, Pacer
from pipelines.phrases import Phrases
from pipelines.reply import Reply
from pipelines.stages import Tts, Voice
from pipelines.tasks import CallTasks
from pipelines.timing import Mark, Turn

TICK_MS = TICK_S * 1000.0
LONGEST_REST = 2  # ticks: marks and the end of a reply are looked for every 60 ms at least


class Speaker:
    """One reply at a time. Ticked by the pacer while it is audible."""

    __slots__ = (
        "_ending",
        "_filling",
        "_floor",
        "_listener",
        "_making",
        "_minutes",
        "_mouth",
        "_now",
        "_pacer",
        "_phrases",
        "_reply",
        "_silence",
        "_tasks",
        "_tts",
        "_voice",
    )

    def __init__(
        self,
        tts: Tts,
        voice: Voice,
        phrases: Phrases,
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
        self._phrases = phrases
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
        self._filling: asyncio.Task[None] | None = None

    # --- making a reply -----------------------------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever has to be awaited until the next reply is complete; `cancel` cancels it."""
        self._making = self._tasks.spawn(work)

    def begin(self, turn: Turn, heard: Callable[[], None] | None = None) -> Reply:
        """The reply to this turn; `complete` is to follow. With `heard`, which is told of its first sound, it is held
        until `release`. A filler may have begun it already."""
        if self._reply is not None and heard is None:
            return self._reply

        def audible() -> None:
            at_ms = self._mouth.first_heard_ms
            assert at_ms is not None
            turn.agent_started_ms = at_ms
            turn.marks.setdefault(Mark.FIRST_AUDIO, at_ms)
            turn.marks.setdefault(Mark.FIRST_FRAME, at_ms)
            self._floor.reply_audible()
            self._pacer.add(self)
            self._minutes.event(EventKind.REPLY_STARTED)
            if heard is not None:
                heard()

        reply = Reply(self._tts, self._voice, self._mouth, self._now, audible, held=heard is not None)
        if heard is None:
            reply.marks = turn.marks
        self._reply = reply
        return reply

    def release(self, turn: Turn, reply: Reply) -> None:
        """The turn is certain: what is ready of the reply goes out at once."""
        turn.marks.update(reply.marks)
        reply.marks = turn.marks
        reply.release()

    def retract(self, reply: Reply) -> None:
        """A held reply is wanted no longer; nobody has heard any of it."""
        self._mouth.cancel()
        if self._reply is reply:
            self._reply = None

    def complete(self, turn: Turn, reply: Reply) -> None:
        """All of the reply is written and synthesised; it may still be playing."""
        self._minutes.generated(turn, reply)
        for tool in turn.tools:
            self._minutes.event(EventKind.TOOL_FINISHED, **tool)
        self._floor.expect = reply.expect
        self._listener.expect(reply.expect, reply.length)
        self._mouth.complete(reply.generation)
        if self._mouth.first_heard_ms is None:
            self._over()

    def nothing_to_say(self) -> None:
        """What the caller said turned out to be nothing; a filler may have been heard meanwhile."""
        if self._reply is None:
            self._floor.nothing_said()
            return
        self._mouth.complete(self._reply.generation)
        if self._mouth.first_heard_ms is None:
            self._over()

    # --- fixed texts --------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Speak of our own accord: greeting, re-prompt, goodbye."""
        turn = self._minutes.begin_turn()
        self._floor.reply_pending()
        self._silence.speaking_unasked(self._now())
        self.start(self._say(turn, text))

    async def _say(self, turn: Turn, text: str) -> None:
        reply = self.begin(turn)
        if not await self.spoken(reply, text) and self._ending.pending is None:
            # Whatever it was, a greeting or a question: the caller is to know that somebody is there.
            fallback = self._phrases.how_can_i_help
            if await self.spoken(reply, fallback):
                self._minutes.event(EventKind.FALLBACK_SPOKEN, text=fallback)
            else:
                self._ending.end(EndReason.PIPELINE_FAILED)
        reply.expect = self._floor.expect
        self.complete(turn, reply)

    async def spoken(self, reply: Reply, text: str) -> bool:
        """Speak a fixed text. False when the voice fails."""
        try:
            await reply.speak_text(text)
        except StageError as error:
            reply.broken = True
            self._minutes.failed(error)
            return False
        return True

    # --- fillers ------------------------------------------------------------------------------------

    @property
    def at_voice(self) -> bool:
        """The next words are being made."""
        return self._reply is not None and self._reply.at_voice

    def fill(self) -> None:
        """Excuse a silence before or inside the reply, unless its own words come first."""
        turn = self._minutes.turn
        if turn is None or (self._filling is not None and not self._filling.done()):
            return
        self._filling = self._tasks.spawn(self._fill(self._reply or self.begin(turn)))

    async def _fill(self, reply: Reply) -> None:
        text = self._phrases.still_working if reply.fillers else self._phrases.one_moment
        try:
            await reply.fill(text, lambda: self._minutes.event(EventKind.FALLBACK_SPOKEN, text=text))
        except StageError as error:
            self._minutes.failed(error)

    def _stop_filling(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None

    # --- the end of a reply -------------------------------------------------------------------------

    def tick(self, now_ms: float) -> int:
        """From the pacer while the agent speaks. Returns for how many ticks there is nothing to do."""
        rest_ms = self._mouth.tick(now_ms)
        if rest_ms is None:
            self._over()
            return 0
        return min(LONGEST_REST, max(0, ceil(rest_ms / TICK_MS) - 1))

    def _over(self) -> None:
        """The reply was heard to its end, or there was nothing to hear."""
        self._pacer.remove(self)
        self._stop_filling()
        turn, audible = self._minutes.turn, self._mouth.first_heard_ms is not None
        heard = turn.generated_text if turn and audible else ""
        if self._reply is not None and self._reply.broken:
            heard = self._mouth.heard_text(self._pacer.now_ms())
        playout = self._mouth.playout
        said = playout.said(inf) if audible else []
        self._minutes.close(heard, playout.ends_ms if audible else None, interrupted=False, said=said)
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
        self._stop_filling()
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
            said = self._mouth.said if audible else []
            self._minutes.close(heard, at_ms if audible else None, interrupted=True, said=said)
