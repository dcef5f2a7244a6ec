"""One simulated call: the real conversation between a scripted caller and slow engines, in virtual time.

Everything between the line and the engines is the product: voice detection, endpointing, turn machine,
playout, pacer. What comes out is a record of what was heard on both sides, which others judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import cast

import msgspec

from config.schema import AgentSettings, StageSettings
from pipelines.audio import FRAME_MS, TELEPHONE
from pipelines.brain.memory import MemoryCalendar, MemoryControl, MemoryKnowledge
from pipelines.brain.tools import Toolbox
from pipelines.conversation import Conversation, Setup, Stages
from pipelines.errors import VoicecoreError
from pipelines.events import CallEvent, EndReason
from pipelines.news import News
from pipelines.pacer import Pacer
from pipelines.registry import make
from pipelines.simulation.caller import Caller, Done, Frames, frames_of
from pipelines.simulation.death import Death, standing_by
from pipelines.simulation.engines import Delays, Fate, LevelTts, OracleStt, ScriptedLlm
from pipelines.simulation.phone import Phone
from pipelines.simulation.script import Clip, Script
from pipelines.simulation.virtual_time import run_in_virtual_time, virtual_loop
from pipelines.stages import TurnDetector, Vad, Voice
from pipelines.timing import Turn

NOW = datetime(2026, 11, 24, 10, 5, tzinfo=UTC)  # of every simulated call
LONGEST_CALL_MS = 900_000.0


class NeverEnds(VoicecoreError):
    """A simulated call went on after everybody had hung up, or for longer than any script takes."""

    code = "never_ends"


class World(msgspec.Struct, frozen=True):
    """Everything around a script that can be varied."""

    agent: AgentSettings = AgentSettings()
    vad: StageSettings = StageSettings(provider="webrtc")  # one that decides within `feed`
    turn: StageSettings | None = None  # a detector of the end of a turn, one that answers at once
    delays: Delays = Delays()
    seed: int = 1
    has_marks: bool = True
    death: Death | None = None  # of one engine, with another one standing by


class Outcome(msgspec.Struct, frozen=True):
    """What happened in one call, in call time. `phone` has the agent's audio as heard, the events and the turns."""

    script: Script
    done: tuple[Done, ...]
    phone: Phone
    reason: EndReason
    length_ms: float
    texts: tuple[str, ...]  # by request of the voice
    open_requests: int  # at model and voice, after the end: 0

    @property
    def events(self) -> list[CallEvent]:
        return self.phone.events

    @property
    def turns(self) -> list[Turn]:
        return self.phone.turns


class SimulatedCall:
    """One call on a virtual loop. Make it inside the loop; `run` it once."""

    def __init__(
        self, script: Script, world: World, vad: Vad, turn: TurnDetector | None, cut: Callable[[Clip], Frames]
    ) -> None:
        self._script = script
        self._start_ms = virtual_loop().time() * 1000
        self._pacer = Pacer()
        self._phone = Phone(lambda: self._now, has_marks=world.has_marks)
        fate = Fate(world.delays, world.seed)
        self._oracle = OracleStt(world.delays, fate)
        self._caller = Caller(script, self._phone, self._oracle, cut)
        self._model = ScriptedLlm(self._caller.answer, world.delays, fate)
        self._voice = LevelTts(world.delays, fate, self._caller.reply_ms)
        agent = msgspec.structs.replace(world.agent, language=script.language)
        setup = Setup(
            agent=agent,
            greeting=script.greeting,
            system_prompt="",
            facts={},
            now=NOW,
            voice=Voice(),
            toolbox=_toolbox,
            inbound=TELEPHONE,
        )
        stages = Stages(vad.open(TELEPHONE.rate_hz), self._oracle, self._model, self._voice, turn)
        if world.death is not None:
            spare = OracleStt(world.delays, fate, self._oracle)
            stages = standing_by(stages, spare, world.death, lambda: self._now, self._told)
        self._conversation = Conversation(setup, stages, self._phone, self._phone, self._phone, self._pacer)
        self._phone.returns_mark = self._conversation.mark_returned
        self._frames = 0
        self._broken: BaseException | None = None

    def _told(self, news: News) -> None:
        self._conversation.switched(news)

    @property
    def _now(self) -> float:
        return virtual_loop().time() * 1000 - self._start_ms

    async def run(self) -> Outcome:
        """Raises whatever broke, NeverEnds when the call does not."""
        self._schedule_frame()
        try:
            async with asyncio.timeout((LONGEST_CALL_MS + 60_000.0) / 1000):
                reason = await self._conversation.run()
        except TimeoutError as error:
            raise NeverEnds(f"{self._script.name} did not end") from error
        finally:
            self._timer.cancel()
            self._phone.close()
            self._pacer.close()
        if self._broken is not None:
            raise self._broken
        return Outcome(
            script=self._script,
            done=tuple(self._caller.done),
            phone=self._phone,
            reason=reason,
            length_ms=self._now,
            texts=tuple(self._voice.texts),
            open_requests=self._model.open + self._voice.open,
        )

    def _schedule_frame(self) -> None:
        due_s = (self._start_ms + (self._frames + 1) * FRAME_MS) / 1000
        self._timer = virtual_loop().call_at(due_s, self._carry_frame)

    def _carry_frame(self) -> None:
        """The caller's side of the line: a frame arrives when its last sample was spoken."""
        try:
            audio = self._caller.frame(self._frames)
            self._conversation.feed(audio, self._frames * float(FRAME_MS))
            if self._caller.key:
                self._conversation.dtmf(self._caller.key)
        except Exception as error:
            # It is what this call is there to find: raised by `run`, once the call was taken down.
            self._broken = error
            self._conversation.end(EndReason.PIPELINE_FAILED)
            return
        self._frames += 1
        if self._caller.finished or self._phone.hung_up or self._frames * FRAME_MS > LONGEST_CALL_MS:
            self._conversation.end(EndReason.CALLER_HANGUP)
        self._schedule_frame()


def _toolbox(hang_up: Callable[[], None]) -> Toolbox:
    calendar = MemoryCalendar([], [], now=lambda: NOW)
    return Toolbox(MemoryKnowledge([]), calendar, MemoryControl(), now=lambda: NOW)


def simulate(script: Script, world: World | None = None) -> Outcome:
    """Play one call. Raises what broke in it, LeftBehind when it left a task behind, NeverEnds."""
    return next(iter(simulate_all([script], world)))


def simulate_all(scripts: Iterable[Script], world: World | None = None) -> list[Outcome]:
    """Play calls one after the other in one virtual loop. What a clip looks like on the line is kept between them."""
    chosen = world or World()
    kept: dict[bytes, Frames] = {}

    def cut(clip: Clip) -> Frames:
        if clip.pcm not in kept:
            kept[clip.pcm] = frames_of(clip.pcm)
        return kept[clip.pcm]

    # Made in real time: a detector may load its network in a thread.
    vad, turn = asyncio.run(_detectors(chosen))

    async def all_calls() -> list[Outcome]:
        return [await SimulatedCall(script, chosen, vad, turn, cut).run() for script in scripts]

    try:
        return run_in_virtual_time(all_calls())
    finally:
        asyncio.run(_close(vad, turn))


async def _detectors(world: World) -> tuple[Vad, TurnDetector | None]:
    vad = cast(Vad, await make("vad", world.vad.provider, world.vad.options, source="simulation"))
    if world.turn is None:
        return vad, None
    return vad, cast(TurnDetector, await make("turn", world.turn.provider, world.turn.options, source="simulation"))


async def _close(vad: Vad, turn: TurnDetector | None) -> None:
    await vad.close()
    if turn is not None:
        await turn.close()
