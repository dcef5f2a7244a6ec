"""Answers the caller's turns: asks the model, has its reply spoken, and says so aloud when that fails.

It does not know whose turn it is, nor how the text was understood.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pipelines.brain import dialogue
from pipelines.brain.tools import Toolbox
from pipelines.ending import Ending
from pipelines.errors import StageError
from pipelines.events import EndReason, EventKind
from pipelines.meter import CHARACTERS_PER_TOKEN
from pipelines.minutes import Minutes
from pipelines.phrases import Phrases
from pipelines.reply import Reply
from pipelines.setup import Setup
from pipelines.speaker import Speaker
from pipelines.stages import Llm, LlmRequest, Message
from pipelines.tasks import CallTasks
from pipelines.timing import Turn


class Draft:
    """An answer to a turn that is not over yet. Nothing of it is heard, on the record or done before `answer`
    takes it; whoever asked for it cancels `written` when it is not wanted."""

    def __init__(self, text: str, request: LlmRequest, reply: Reply, started_ms: float) -> None:
        self.text = text
        self.request = request
        self.reply = reply
        self.started_ms = started_ms
        self.added: list[Message] = []  # to the history
        self.committed = asyncio.Event()
        self.failed: StageError | None = None
        self.written: asyncio.Task[None]  # and synthesised

    @property
    def tokens(self) -> int:
        """What it took of the model so far; estimated as far as the model did not say."""
        characters = len(self.reply.text) + sum(len(message.content) for message in self.request.messages)
        told = sum(usage.input_tokens + usage.output_tokens for usage in self.reply.usage)
        return max(told, characters // CHARACTERS_PER_TOKEN)


class Responder:
    """One call's model, with the tools that it may use."""

    def __init__(
        self,
        setup: Setup,
        llm: Llm,
        toolbox: Toolbox,
        phrases: Phrases,
        speaker: Speaker,
        minutes: Minutes,
        ending: Ending,
        tasks: CallTasks,
    ) -> None:
        self._setup = setup
        self._llm = llm
        self._toolbox = toolbox
        self._phrases = phrases
        self._speaker = speaker
        self._minutes = minutes
        self._ending = ending
        self._tasks = tasks

    def draft(self, turn: Turn, text: str, heard: Callable[[], None]) -> Draft:
        """Begin to answer before the turn is certain. `heard` is called at the first sound, after `answer`."""
        draft = Draft(text, self._request(text), self._speaker.begin(turn, heard), self._minutes.now())
        draft.written = self._tasks.spawn(self._write(draft))
        return draft

    async def answer(self, turn: Turn, text: str, draft: Draft | None = None) -> None:
        """Answer a committed turn; returns when the reply is complete, which may still be playing then."""
        if draft is None:
            draft = Draft(text, self._request(text), self._speaker.begin(turn), self._minutes.now())
            self._take(turn, draft)
            await self._write(draft)
        else:
            self._take(turn, draft)
            self._speaker.release(turn, draft.reply)
            await draft.written
        if draft.failed is None:
            self._ending.turn_succeeded()
        else:
            await self._recover(draft.reply, draft.failed)
        self._speaker.complete(turn, draft.reply)

    async def apologise(self, turn: Turn, error: StageError) -> None:
        """Answer a turn of which nothing is known but that something failed."""
        self._minutes.event(EventKind.TURN_COMMITTED, text="")
        reply = self._speaker.begin(turn)
        await self._recover(reply, error)
        self._speaker.complete(turn, reply)

    def _take(self, turn: Turn, draft: Draft) -> None:
        self._minutes.caller_said(turn, draft.text, draft.added)
        draft.committed.set()

    async def _write(self, draft: Draft) -> None:
        """A failure is a result: it concerns only a turn that is answered with this."""
        reply = draft.reply
        events = dialogue.reply(
            self._llm, self._toolbox, draft.request, draft.added, committed=draft.committed, late=reply.tools.append
        )
        try:
            await reply.speak_model(events)
            if not reply.text.strip() and self._ending.pending is None:
                raise StageError("the model said nothing", stage="llm", provider="model")
        except StageError as error:
            draft.failed = error

    def _request(self, text: str) -> LlmRequest:
        return LlmRequest(
            messages=[*self._minutes.history.messages(), Message("user", text)],
            tools=self._toolbox.specs,
            language=self._setup.agent.language,
            now=self._setup.now,
            facts=self._setup.facts,
        )

    async def _recover(self, reply: Reply, error: StageError) -> None:
        """The turn failed: say so, and give up the call when it keeps failing."""
        give_up = self._ending.turn_failed()
        self._minutes.failed(error)
        if give_up:
            self._ending.after_reply(EndReason.PIPELINE_FAILED)
        text = self._phrases.giving_up if give_up else self._phrases.apology
        reply.broken = True
        if await self._speaker.spoken(reply, text):
            self._minutes.event(EventKind.FALLBACK_SPOKEN, text=text)
        else:
            self._ending.end(EndReason.PIPELINE_FAILED)
