"""Turns an announced call into a conversation: finds its agent, engines and tools, opens its row and tape.

It is the composition root of one call, as `app.py` is of the server. Nothing here runs per frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from config.schema import Company, MediaSettings
from pipelines.audio import TELEPHONE
from pipelines.brain.prompt import facts_for, fill, system_message
from pipelines.brain.tools import Toolbox
from pipelines.conversation import Conversation, Setup, Stages
from pipelines.engines import EngineRoom
from pipelines.errors import AudioFormatError, NotFound, StageError, VoicecoreError
from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.failover import FailoverLlm, FailoverTts, Switched, open_stt
from pipelines.pacer import Pacer
from pipelines.phrases import all_sentences, first_aid
from pipelines.stages import Preparable, SttOptions, Voice
from pipelines.stock import Stock
from pipelines.tracing import TracedConversation
from voicecore.admission import Admission
from voicecore.domain import instants
from voicecore.domain.calls import MediaHealth
from voicecore.metrics import CallMetrics
from voicecore.recording import Finished, Recorder, RecordingThread
from voicecore.services.agents import Agents, RoutedAgent
from voicecore.services.appointments import Appointments
from voicecore.services.call_log import CallJournal, CallLog
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.receptionist_ports import AgentCalendar, AgentKnowledge, Callbacks
from voicecore.session import Announcement, CallSession
from voicecore.storage.database import Database

log = structlog.get_logger(__name__)

TAPE_CLOSE_S = 10.0  # for the disk, after a call


class Desk:
    """The agent's hands on the call itself (see `ports.CallControl`)."""

    def __init__(self, callbacks: Callbacks, hang_up: Callable[[], None]) -> None:
        self._callbacks = callbacks
        self._hang_up = hang_up

    def end_call(self) -> None:
        self._hang_up()

    async def request_callback(self, customer_name: str, customer_phone: str, reason: str) -> None:
        await self._callbacks.request_callback(customer_name, customer_phone, reason)


class PreparedLine:
    """One call, ready to run: the conversation with its journal and tape."""

    def __init__(
        self,
        conversation: Conversation,
        journal: CallJournal,
        recorder: Recorder,
        metrics: CallMetrics,
        root: Path,
        release: Callable[[], None],
    ) -> None:
        self.conversation = conversation
        self._journal = journal
        self._recorder = recorder
        self._metrics = metrics
        self._root = root
        self._release = release

    @property
    def call_id(self) -> str:
        return self._journal.call.external_id

    async def run(self) -> EndReason:
        self._journal.answered()
        with self._metrics.running():
            return await self.conversation.run()

    async def close(self, reason: EndReason, health: MediaHealth) -> None:
        """Finish the tape and the row. Whatever the disk does, the row ends."""
        self._release()
        at_ms = self.conversation.clock.at(asyncio.get_running_loop().time() * 1000.0)
        self._journal.event(CallEvent(EventKind.CALL_ENDED, at_ms, data={"reason": reason.value}))
        self._journal.media_health(health)
        self._metrics.ended(reason, health)
        finished = await self._finish_tape()
        if finished is not None:
            self._journal.recorded(
                str(finished.path.relative_to(self._root)),
                rate_hz=finished.rate_hz,
                duration_ms=finished.duration_ms,
                size_bytes=finished.size_bytes,
                peaks=finished.peaks,
            )
        self._journal.ended(reason, at_ms)

    async def _finish_tape(self) -> Finished | None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Finished | None] = loop.create_future()

        def settle(finished: Finished | None) -> None:
            if not done.done():
                done.set_result(finished)

        def from_thread(finished: Finished | None) -> None:
            loop.call_soon_threadsafe(settle, finished)

        self._recorder.finish(from_thread)
        try:
            async with asyncio.timeout(TAPE_CLOSE_S):
                return await done
        except TimeoutError:
            log.exception("recording_unfinished", call_id=self._journal.call.external_id)
            return None


class Reception:
    """Prepares calls. Shared engines and services come in; each call gets its own objects around them."""

    def __init__(
        self,
        *,
        database: Database,
        agents: Agents,
        appointments: Appointments,
        knowledge: KnowledgeBase,
        call_log: CallLog,
        engines: EngineRoom,
        pacer: Pacer,
        tapes: RecordingThread,
        recordings: Path,
        media: MediaSettings,
        metrics: CallMetrics,
        admission: Admission,
    ) -> None:
        self._admission = admission
        self._database = database
        self._agents = agents
        self._appointments = appointments
        self._knowledge = knowledge
        self._call_log = call_log
        self._engines = engines
        self._pacer = pacer
        self._tapes = tapes
        self._recordings = recordings
        self._media = media
        self._metrics = metrics
        self._stock = Stock(all_sentences())

    async def prepare(self, announcement: Announcement, session: CallSession) -> PreparedLine:
        """Raises NotFound (nobody answers there), AudioFormatError, StageError; each leaves a closed row."""
        routed, missing = await self._route(announcement)
        journal = self._call_log.open(
            routed.agent,
            sid=announcement.call_sid,
            from_number=announcement.from_number,
            to_number=announcement.to_number,
            transport=announcement.transport,
            metadata=dict(announcement.metadata),
        )
        journal.event(CallEvent(EventKind.CALL_STARTED, 0.0, data={"transport": announcement.transport}))
        try:
            if missing is not None:
                raise missing
            if announcement.unsupported:
                raise AudioFormatError(announcement.unsupported)
            self._admission.claim(routed.agent.organization_uid)
            try:
                return await self._build(announcement, routed, journal, session)
            except BaseException:
                self._admission.release(routed.agent.organization_uid)
                raise
        except VoicecoreError as error:
            self._close_refused(journal, error)
            raise
        except BaseException:
            self._close_refused(journal, StageError("unexpected", stage="call", provider="server"))
            raise

    async def warm(self) -> None:
        """Let recognisers get ready for the agents there are, before somebody calls them, and have their voices say
        what is said when something fails: then it is there even when no voice works."""
        for routed in await self._agents.everyone():
            try:
                chains = await self._engines.chains(routed.agent.config)
                for named in chains.stt:
                    if isinstance(named.engine, Preparable):
                        await named.engine.prepare(await self._stt_options(routed, TELEPHONE.rate_hz))
                voice = FailoverTts(chains.tts, lambda switched: None, self._stock)
                await voice.stock_up(first_aid(routed.agent.config.language), _voice(routed), TELEPHONE)
            except VoicecoreError as error:
                # An agent that cannot work here (its language, its engine) is no reason not to serve the others.
                log.warning("agent_not_ready", agent=routed.agent.external_id, reason=error.message)

    async def _stt_options(self, routed: RoutedAgent, rate_hz: int) -> SttOptions:
        language = routed.agent.config.language
        return SttOptions(language=language, rate_hz=rate_hz, phrases=await self._vocabulary(routed))

    async def _route(self, announcement: Announcement) -> tuple[RoutedAgent, NotFound | None]:
        """Who answers. An unknown agent still leaves a call on record, with the first agent of its
        organization, or of the server."""
        organization, wanted = announcement.organization_uid, announcement.agent_id or announcement.to_number
        try:
            if organization:
                return await self._agents.routed(organization, announcement.agent_id), None
            return await self._agents.route(announcement.agent_id, announcement.to_number), None
        except NotFound:
            missing = NotFound(f"nobody answers as {wanted[:100]!r}")
            if organization:
                return await self._agents.routed(organization), missing
            return await self._agents.route(), missing

    def _close_refused(self, journal: CallJournal, error: VoicecoreError) -> None:
        kind = EventKind.STAGE_FAILED if isinstance(error, StageError) else EventKind.PROTOCOL_ERROR
        journal.event(CallEvent(kind, 0.0, data={"code": error.code, "message": error.message}))
        reasons = {"not_found": EndReason.AGENT_NOT_FOUND, "audio_format": EndReason.AUDIO_FORMAT}
        reasons["overloaded"] = EndReason.OVERLOADED
        reason = reasons.get(error.code, EndReason.PIPELINE_FAILED)
        self._metrics.ended(reason, MediaHealth())
        journal.ended(reason, 0.0)

    async def _build(
        self, announcement: Announcement, routed: RoutedAgent, journal: CallJournal, session: CallSession
    ) -> PreparedLine:
        agent, business = routed.agent.config, routed.business
        now = instants.now().astimezone(instants.zone(business.timezone))
        calendar = AgentCalendar(self._appointments, business, journal.call.uid)
        knowledge = AgentKnowledge(self._knowledge, routed)
        early: list[Switched] = []
        news: Callable[[Switched], None] = early.append
        chains = await self._engines.chains(agent)
        options = await self._stt_options(routed, announcement.audio_format.rate_hz)
        stt = await open_stt(chains.stt, options, lambda switched: news(switched))
        company = Company(
            name=business.name, timezone=business.timezone, phone=business.phone, address=business.address
        )
        facts = facts_for(agent, company, now, agent_name=routed.agent.name, caller_phone=announcement.from_number)

        def toolbox(hang_up: Callable[[], None]) -> Toolbox:
            desk = Desk(Callbacks(self._database, business, journal.call.uid), hang_up)
            return Toolbox(
                knowledge,
                calendar,
                desk,
                now=lambda: instants.now().astimezone(now.tzinfo),
                capabilities=agent.capabilities,
                caller_phone=announcement.from_number,
            )

        setup = Setup(
            agent=agent,
            greeting=fill(agent.greeting, facts),
            system_prompt=system_message(
                agent, facts, hours=await calendar.opening_hours(), services=await calendar.services()
            ),
            facts=facts,
            now=now,
            voice=_voice(routed),
            toolbox=toolbox,
            inbound=announcement.audio_format,
            ahead_ms=self._media.ahead_ms,
        )
        stages = Stages(
            vad=chains.vad.open(announcement.audio_format.rate_hz),
            stt=stt,
            llm=FailoverLlm(chains.llm, lambda switched: news(switched)),
            tts=FailoverTts(
                chains.tts,
                lambda switched: news(switched),
                self._stock,
                silence_ms=agent.turn.unexplained_silence_ms,
            ),
            turn=chains.turn,
        )
        recorder = Recorder(self._tapes, self._tape_path(journal, now), announcement.audio_format.rate_hz)
        metered = self._metrics.journal(journal)
        engines = self._engines.stage_settings(agent)
        conversation = TracedConversation(
            setup, stages, session, metered, recorder, self._pacer, notebook=recorder, engines=engines
        )
        news = conversation.switched
        for switched in early:
            conversation.switched(switched)
        release = partial(self._admission.release, routed.agent.organization_uid)
        return PreparedLine(conversation, journal, recorder, self._metrics, self._recordings, release)

    async def _vocabulary(self, routed: RoutedAgent) -> tuple[str, ...]:
        """What callers of this agent are likely to say: its own phrases, services, articles and their questions."""
        business = routed.business
        articles = await self._knowledge.articles(business.organization_uid, business.uid)
        services = await self._appointments.services(business)
        words = [*routed.agent.config.phrases, business.name, *(service.name for service in services)]
        for article in articles:
            words += [article.title, *article.questions, *article.tags]
        return tuple(words)

    def _tape_path(self, journal: CallJournal, now: datetime) -> Path:
        return self._recordings / f"{now:%Y-%m-%d}" / f"{journal.call.external_id}.wav"


def _voice(routed: RoutedAgent) -> Voice:
    chosen = routed.agent.config.voice
    speed = chosen.settings.get("speed", 1.0)
    return Voice(
        voice_id=chosen.voice_id,
        language=routed.agent.config.language,
        speed=float(speed) if isinstance(speed, int | float) else 1.0,
        settings=chosen.settings,
    )
