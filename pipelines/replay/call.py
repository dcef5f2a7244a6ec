"""Runs a stored call again in virtual time: real voice detection and machines, recorded engines.

Frames arrive when their last sample was spoken, or as late as they did where that is known;
everything else happens when it happened, as far as the settings let it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime

import msgspec

from config.loader import convert
from config.schema import AgentSettings, StageSettings
from pipelines import trace
from pipelines.audio import FRAME_MS, AudioFormat, Codec
from pipelines.conversation import Conversation, Setup, Stages
from pipelines.events import CallEvent, EndReason
from pipelines.pacer import TICK_S, Pacer
from pipelines.registry import make
from pipelines.replay.caller import Axis, Facts, ListeningCaller, cues
from pipelines.replay.engines import (
    Approximations,
    RecordedDetector,
    RecordedLlm,
    RecordedStt,
    RecordedToolbox,
    RecordedTts,
)
from pipelines.replay.line import ReplayLine
from pipelines.replay.stored import StoredCall
from pipelines.simulation.virtual_time import pass_ms, run_in_virtual_time, virtual_loop
from pipelines.stages import Vad, Voice
from pipelines.timing import Turn

NOW = datetime(2026, 1, 1, tzinfo=UTC)  # for tools, none of which is run
LONGEST_TAIL_MS = 15_000.0  # of silence after the recording, for an agent that is not ready to hang up
TICK_MS = TICK_S * 1000.0


class Outcome(msgspec.Struct, frozen=True):
    """What happened, in call time; `axis` says where that is in the recording."""

    turns: list[Turn]
    events: list[CallEvent]
    reason: EndReason
    ended_ms: float
    axis: Axis
    approximations: Approximations


def listen(call: StoredCall) -> list[float]:
    """Starts of the frames in which the recorded voice detection hears the caller. Raises as `replay`."""
    stream = asyncio.run(_vad(call, call.agent)).open(call.opened.inbound_hz)
    unheard_ms = call.running.started_ms
    return [at for at, pcm in call.frames() if at + FRAME_MS > unheard_ms and stream.feed(pcm)]


def replay(call: StoredCall, agent: AgentSettings, facts: Facts) -> Outcome:
    """Deterministic. Raises ConfigError, EngineMissing: the voice detection cannot be made."""
    # Made in real time: it may load a model.
    vad = asyncio.run(_vad(call, agent))
    return run_in_virtual_time(_Replay(call, agent, facts, vad).run())


async def _vad(call: StoredCall, agent: AgentSettings) -> Vad:
    wanted = agent.stages.get("vad") or convert(call.opened.vad, StageSettings, source="the settings of this call")
    engine = await make("vad", wanted.provider, wanted.options, source="replay")
    assert isinstance(engine, Vad)
    return engine


class _Nobody:
    """Keeps the pacer ticking."""

    def watch(self, now_ms: float) -> None: ...


class _Replay:
    """One run."""

    def __init__(self, call: StoredCall, agent: AgentSettings, facts: Facts, vad: Vad) -> None:
        self._call = call
        self._agent = agent
        self._vad = vad
        self._frames = dict(call.frames())
        self._silence = bytes(FRAME_MS * call.opened.inbound_hz // 1000 * 2)
        started_ms = call.running.started_ms
        self._early = [at for at in self._frames if at + FRAME_MS <= started_ms]
        from_ms = self._early[-1] + FRAME_MS if self._early else 0.0
        self._caller = ListeningCaller(cues(facts, call.hung_up_ms), from_ms, self._silence)

    async def run(self) -> Outcome:
        call, opened = self._call, self._call.opened
        # Room before the first sample: the conversation may have begun before it.
        self._zero_ms = virtual_loop().time() * 1000.0 + 10_000.0
        self._pacer = Pacer()
        self._heard_ms = 0.0  # of the recording
        await self._in_step()
        line = ReplayLine(call, self._now)
        caller = self._caller
        caller.replies = line.replies
        guesses = Approximations()

        def now() -> float:
            """In time of the recording: where engines look for what they did."""
            return caller.axis.recorded(self._now())

        setup = Setup(
            agent=self._agent,
            greeting=opened.greeting if self._agent.greeting == call.agent.greeting else self._agent.greeting,
            system_prompt="-" * opened.prompt_characters,
            facts={},
            now=NOW,
            voice=Voice(),
            toolbox=lambda hang_up: RecordedToolbox(call, self._agent.capabilities, hang_up, now, guesses),
            inbound=AudioFormat(Codec.PCM16, opened.inbound_hz),
            ahead_ms=opened.ahead_ms,
        )
        stages = Stages(
            vad=self._vad.open(opened.inbound_hz),
            stt=RecordedStt(call, lambda: self._heard_ms, guesses),
            llm=RecordedLlm(call, now, guesses),
            tts=RecordedTts(call, now, guesses),
            turn=RecordedDetector(call, lambda: self._heard_ms, guesses) if "turn" in opened.engines else None,
        )
        conversation = Conversation(setup, stages, line, line, line, self._pacer)
        line.returns_mark = conversation.mark_returned
        try:
            reason = await self._hold(conversation)
        finally:
            line.close()
            self._pacer.close()
        return Outcome(line.turns, line.events, reason, self._now(), caller.axis, guesses)

    def _now(self) -> float:
        return virtual_loop().time() * 1000.0 - self._zero_ms

    async def _in_step(self) -> None:
        """Start the pacer so that its ticks fall where they fell."""
        phase_ms = (self._call.running.tick_ms - self._now()) % TICK_MS
        await pass_ms(phase_ms)
        self._pacer.watch(_Nobody())

    async def _hold(self, conversation: Conversation) -> EndReason:
        """The call itself, from its start to its end."""
        await self._reach(self._call.running.started_ms)
        conversation.clock.begin(virtual_loop().time() * 1000.0)
        for start_ms in self._early:
            conversation.feed(self._frames[start_ms], start_ms)  # while the call was being prepared: nobody listens
        running = asyncio.create_task(conversation.run())
        world = asyncio.create_task(self._world(conversation))
        try:
            await asyncio.wait([running, world], return_when=asyncio.FIRST_COMPLETED)
            # Unless it has ended: there is nothing more to hear.
            conversation.end(EndReason.CALLER_HANGUP if self._call.whole else EndReason.SERVER_CRASHED)
            return await running
        finally:
            for task in (running, world):
                task.cancel()
            await asyncio.wait([running, world])
            if not world.cancelled():
                world.result()  # raises what a frame or a key broke

    async def _reach(self, at_ms: float) -> None:
        wait_ms = at_ms - self._now()
        if wait_ms > 0.0:
            await pass_ms(wait_ms)

    async def _world(self, conversation: Conversation) -> None:
        """The caller's audio with all that happened beside it, then the silence after it."""
        caller, start_ms = self._caller, self._caller.at_ms
        visits = deque(self._call.visits)
        ends_ms = max(self._frames, default=0.0) + FRAME_MS
        tail_ms = LONGEST_TAIL_MS if self._call.whole else 0.0
        while visits or caller.at_ms < ends_ms + tail_ms:
            await self._reach(start_ms)
            waits = caller.waits(start_ms)
            while not waits and visits and visits[0].at_ms < caller.at_ms + FRAME_MS:
                visit = visits.popleft()
                await self._reach(start_ms + visit.at_ms - caller.at_ms)
                _visit(conversation, visit)
            await self._reach(start_ms + FRAME_MS + (0.0 if waits else self._call.late.get(caller.at_ms, 0.0)))
            pcm = self._frames.get(caller.at_ms)
            if waits or (caller.at_ms >= ends_ms and not visits):
                pcm = caller.filler()
            self._heard_ms = caller.at_ms if waits else caller.at_ms + FRAME_MS
            if pcm is not None:
                conversation.feed(pcm, start_ms)
            if not waits:
                caller.fed(pcm or b"")
            start_ms += FRAME_MS


def _visit(conversation: Conversation, visit: trace.Key | trace.Goodbye | trace.Ended) -> None:
    match visit:
        case trace.Key():
            conversation.dtmf(visit.digit)
        case trace.Goodbye():
            conversation.say_goodbye(EndReason(visit.reason))
        case trace.Ended():
            conversation.end(EndReason(visit.reason))
