"""Taking turns: what the boundaries of speech and the turn machine's commands mean for listener, speaker and model.

It decides nothing itself: the machine does. It knows neither frames nor the line.
"""

from __future__ import annotations

import msgspec

from config.schema import TurnPolicy
from pipelines.crosstalk import Crosstalk
from pipelines.ending import Ending
from pipelines.errors import StageError
from pipelines.events import EventKind
from pipelines.listener import Listener
from pipelines.machines.boundaries import Boundary, SpeechPaused, SpeechResumed, SpeechStarted, TurnEnded
from pipelines.machines.overlap import NOTHING_ASKED, Evidence
from pipelines.machines.silence import Silence
from pipelines.machines.turns import Command, Floor, TurnMachine
from pipelines.minutes import Minutes
from pipelines.mouth import Mouth
from pipelines.responder import Responder
from pipelines.speaker import Speaker
from pipelines.speculation import Speculator
from pipelines.tasks import CallTasks
from pipelines.timing import Mark, Turn

JUDGING_MS = 450.0  # what is left of the caller's patience when an overlap is judged without its final text


class TurnTaking:
    """One call's."""

    def __init__(
        self,
        policy: TurnPolicy,
        floor: TurnMachine,
        listener: Listener,
        speaker: Speaker,
        responder: Responder,
        speculator: Speculator,
        minutes: Minutes,
        silence: Silence,
        ending: Ending,
        mouth: Mouth,
        crosstalk: Crosstalk,
        tasks: CallTasks,
    ) -> None:
        self._patience_ms = policy.unexplained_silence_ms - JUDGING_MS
        self._floor = floor
        self._listener = listener
        self._speaker = speaker
        self._responder = responder
        self._speculator = speculator
        self._minutes = minutes
        self._silence = silence
        self._ending = ending
        self._mouth = mouth
        self._crosstalk = crosstalk
        self._tasks = tasks
        listener.understood = self._understood

    # --- boundaries of speech -----------------------------------------------------------------------

    def boundary(self, boundary: Boundary, now_ms: float) -> None:
        if isinstance(boundary, SpeechStarted):
            self._minutes.event(EventKind.CALLER_STARTED_SPEAKING, speech_start_ms=boundary.at_ms)
            over_agent = self._floor.floor in (Floor.SPEAKING, Floor.THINKING)
            asked = self._crosstalk.begin(boundary.at_ms, now_ms) if over_agent else NOTHING_ASKED
            self.obey(self._floor.speech_started(asked), boundary.at_ms)
        elif isinstance(boundary, SpeechPaused):
            self._listener.speech_paused(boundary.speech_end_ms)
        elif isinstance(boundary, SpeechResumed):
            self._speculator.discard()
            self._listener.speech_resumed()
            self._floor.speech_resumed()
        elif isinstance(boundary, TurnEnded):
            self._minutes.event(EventKind.CALLER_STOPPED_SPEAKING, speech_end_ms=self._listener.speech_end_ms)
            if self._floor.floor is Floor.OVERLAP:
                self._tasks.spawn(self._judge_overlap())
            else:
                evidence = self._crosstalk.evidence(now_ms)
                self._carry_out(self._floor.turn_ended("", evidence), evidence)

    def overlapping(self, now_ms: float) -> None:
        """To be called with every frame of an overlap that completes no boundary."""
        evidence = self._crosstalk.frame(now_ms)
        self._carry_out(self._floor.speech_continues(evidence), evidence)

    def _understood(self, text: str) -> None:
        """Text of a pause: it may decide an overlap, and the answer may begin before the turn is certain."""
        if self._floor.floor is Floor.OVERLAP:
            self._floor.speech_understood(text)
            # Only to give way: what keeps the floor drops the utterance, whose text is just being handed over.
            evidence = msgspec.structs.replace(self._crosstalk.evidence(self._minutes.now()), silence_ms=0.0)
            self._carry_out(self._floor.speech_continues(evidence), evidence)
        if self._floor.floor is Floor.CALLER and self._listener.paused:
            self._speculator.begin(text, self._listener.turn_ends_ms)

    def reconsider(self) -> None:
        """The wait for the end of the turn has become another: the answer may have to begin sooner."""
        if self._floor.floor is Floor.CALLER and self._listener.paused and (text := self._listener.known_text):
            self._speculator.begin(text, self._listener.turn_ends_ms)

    def paused(self, now_ms: float) -> None:
        """To be called now and then while the caller has the floor."""
        self._speculator.watch(now_ms)
        self._crosstalk.sample()

    async def _judge_overlap(self) -> None:
        text = (await self._listener.transcript(self._listener.speech_end_ms + self._patience_ms)).text
        if self._listener.caller_speaking:
            return  # the caller went on meanwhile: the next end decides
        if self._floor.floor in (Floor.OVERLAP, Floor.CALLER):  # CALLER: the reply ended, or gave way, meanwhile
            evidence = msgspec.structs.replace(self._crosstalk.evidence(self._minutes.now()), text=text)
            self._carry_out(self._floor.turn_ended(text, evidence), evidence)

    def _carry_out(self, commands: list[Command], evidence: Evidence) -> None:
        """With the reasons on the record when the agent keeps the floor; when it gives way, that is told there."""
        self.obey(commands)
        if Command.DROP_UTTERANCE in commands and (verdict := self._floor.verdict) is not None:
            self._minutes.event(
                EventKind.FALSE_ALARM,
                reason=verdict.reason,
                text=evidence.text,
                speech_ms=round(evidence.speech_ms),
                strong_ms=round(evidence.strong_ms),
            )

    # --- commands of the turn machine ---------------------------------------------------------------

    def obey(self, commands: list[Command], at_ms: float = 0.0) -> None:
        for command in commands:
            if command is Command.BEGIN_UTTERANCE:
                self._listener.begin(at_ms, self._floor.expect)
            elif command is Command.RESUME_UTTERANCE:
                self._listener.resume(at_ms, self._floor.expect)
            elif command is Command.DROP_UTTERANCE:
                self._listener.drop()
            elif command is Command.COMMIT_TURN:
                self._commit()
            elif command is Command.PAUSE_PLAYOUT:
                self._mouth.pause()
            elif command is Command.HUSH_PLAYOUT:
                self._mouth.hush()
            elif command is Command.RESUME_PLAYOUT:
                self._mouth.resume()
            elif command is Command.CANCEL_REPLY:
                self._ending.revoke()
                self._speculator.discard()
                verdict = self._floor.verdict
                self._speaker.cancel(verdict.reason if verdict else "key")

    def _commit(self) -> None:
        turn = self._listener.commit()
        self._crosstalk.turn_over()
        self._silence.thinking(self._minutes.now(), turn.caller_ended_ms)
        self._speaker.start(self._answer(turn))

    def keyed(self, entry: str) -> None:
        turn = self._minutes.begin_turn()
        self._silence.caller_spoke()
        self._floor.reply_pending()
        self._silence.thinking(self._minutes.now(), None)
        self._speaker.start(self._responder.answer(turn, entry))

    async def _answer(self, turn: Turn) -> None:
        text = await self._listener.turn_text(turn)
        draft = self._speculator.take(turn, text if isinstance(text, str) else "")
        if text is None:
            self._speaker.nothing_to_say()
            return
        self._silence.caller_spoke()
        self._floor.protected = False
        if isinstance(text, StageError):
            await self._responder.apologise(turn, text)
        else:
            await self._responder.answer(turn, text, draft)

    def break_off(self) -> None:
        """Whoever speaks, agent or caller: it is on the record as far as it came."""
        self._speculator.discard()
        turn = self._minutes.turn
        if turn is not None and turn.caller_started_ms is not None and Mark.TRANSCRIPT not in turn.marks:
            # What it holds already is from before the caller went on.
            turn.caller_text = self._listener.known_text or turn.caller_text
        self._speaker.cancel()
        self._minutes.close("", None, interrupted=True)
        self._listener.abandon()
