"""Answers the caller's turns: asks the model, has its reply spoken, and says so aloud when that fails.

It does not know whose turn it is, nor how the text was understood.
"""

from __future__ import annotations

from pipelines.brain import dialogue
from pipelines.brain.tools import Toolbox
from pipelines.ending import Ending
from pipelines.errors import StageError
from pipelines.events import EndReason, EventKind
from pipelines.minutes import Minutes
from pipelines.phrases import Phrases
from pipelines.reply import Reply
from pipelines.setup import Setup
from pipelines.speaker import Speaker
from pipelines.stages import Llm, LlmRequest
from pipelines.timing import Turn


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
    ) -> None:
        self._setup = setup
        self._llm = llm
        self._toolbox = toolbox
        self._phrases = phrases
        self._speaker = speaker
        self._minutes = minutes
        self._ending = ending

    async def answer(self, turn: Turn, text: str) -> None:
        """Answer a committed turn; returns when the reply is complete, which may still be playing then."""
        self._minutes.caller_said(turn, text)
        reply = self._speaker.begin(turn)
        request, added = self._request(), self._minutes.history.added
        try:
            await reply.speak_model(dialogue.reply(self._llm, self._toolbox, request, added))
            if not reply.text.strip() and self._ending.pending is None:
                raise StageError("the model said nothing", stage="llm", provider="model")
            self._ending.turn_succeeded()
        except StageError as error:
            await self._recover(reply, error)
        self._speaker.complete(turn, reply)

    def _request(self) -> LlmRequest:
        return LlmRequest(
            messages=self._minutes.history.messages(),
            tools=self._toolbox.specs,
            language=self._setup.agent.language,
            now=self._setup.now,
            facts=self._setup.facts,
        )

    async def _recover(self, reply: Reply, error: StageError) -> None:
        """The turn failed: say so, and give up the call when it keeps failing."""
        give_up = self._ending.turn_failed()
        self._minutes.event(EventKind.STAGE_FAILED, stage=error.stage, error=error.message)
        if give_up:
            self._ending.after_reply(EndReason.PIPELINE_FAILED)
        text = self._phrases.giving_up if give_up else self._phrases.apology
        try:
            await reply.speak_text(text)
            self._minutes.event(EventKind.FALLBACK_SPOKEN, text=text)
        except StageError as mute:
            self._minutes.event(EventKind.STAGE_FAILED, stage=mute.stage, error=mute.message)
            self._ending.end(EndReason.PIPELINE_FAILED)
