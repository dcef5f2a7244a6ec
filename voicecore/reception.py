"""Turns an announced call into a conversation: finds its agent, engines and tools, opens its row and tape.

It is the composition root of one call, as `app.py` is of the server. Nothing here runs per frame.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from config.prices import PriceTable
from config.schema import MediaSettings
from pipelines.brain.prompt import fill, system_message
from pipelines.brain.tools import Toolbox
from pipelines.conversation import Setup, Stages
from pipelines.engines import EngineRoom
from pipelines.errors import AudioFormatError, ConflictError, NotFound, StageError, VoicecoreError
from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.failover import FailoverLlm, FailoverTts, News, Report, open_stt
from pipelines.meter import Meter
from pipelines.outlet import Outlet
from pipelines.pacer import Pacer
from pipelines.stock import Stock
from pipelines.tracing import TracedConversation
from voicecore.admission import Admission
from voicecore.calling import CALLER_NAME, LONGEST_NAME, Announcement
from voicecore.domain import instants
from voicecore.domain.calls import Call, MediaHealth
from voicecore.domain.dialling import TransferKind
from voicecore.metrics import CallMetrics
from voicecore.prepared_line import Desk, PreparedLine
from voicecore.recording import Recorder, RecordingThread
from voicecore.services.agents import RoutedAgent
from voicecore.services.appointments import Appointments
from voicecore.services.briefing import Briefings
from voicecore.services.call_log import CallJournal, CallLog
from voicecore.services.knowledge import KnowledgeBase
from voicecore.services.outbound import Outbound
from voicecore.services.receptionist_ports import AgentCalendar, AgentKnowledge, Callbacks
from voicecore.services.transfers import Transfers
from voicecore.storage.database import Database
from voicecore.warmup import Warmup, facts_of, lasting_greeting, voice_of


class Reception:
    """Prepares calls. Shared engines and services come in; each call gets its own objects around them."""

    def __init__(
        self,
        *,
        database: Database,
        briefings: Briefings,
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
        stock: Stock,
        warmup: Warmup,
        outbound: Outbound,
        transfers: Transfers,
        prices: PriceTable,
    ) -> None:
        self._outbound = outbound
        self._transfers = transfers
        self._prices = prices
        self._admission = admission
        self._stock = stock
        self._warmup = warmup
        self._database = database
        self._briefings = briefings
        self._appointments = appointments
        self._knowledge = knowledge
        self._call_log = call_log
        self._engines = engines
        self._pacer = pacer
        self._tapes = tapes
        self._recordings = recordings
        self._media = media
        self._metrics = metrics

    async def prepare(self, announcement: Announcement, outlet: Outlet) -> PreparedLine:
        """Raises NotFound (nobody answers there), AudioFormatError, StageError; each leaves a closed row.
        ConflictError: a call that we have placed is over, or somebody else has it."""
        placed = await self._placed(announcement)
        if placed is not None:
            # Who speaks with the agent is the one who was called.
            whose, party = placed.organization_uid, placed.party_number
            announcement = msgspec.structs.replace(announcement, organization_uid=whose, from_number=party)
        routed, missing = await self._route(announcement)
        journal = self._journal(announcement, routed, placed)
        journal.event(CallEvent(EventKind.CALL_STARTED, 0.0, data={"transport": announcement.transport}))
        try:
            if missing is not None:
                raise missing
            if announcement.unsupported:
                raise AudioFormatError(announcement.unsupported)
            self._admission.claim(routed.agent.organization_uid)
            try:
                return await self._build(announcement, routed, journal, outlet)
            except BaseException:
                self._admission.release(routed.agent.organization_uid)
                raise
        except VoicecoreError as error:
            self._close_refused(journal, error)
            raise
        except BaseException:
            self._close_refused(journal, StageError("unexpected", stage="call", provider="server"))
            raise

    async def _placed(self, announcement: Announcement) -> Call | None:
        """None: they call us."""
        if not announcement.placed_uid:
            return None
        placed = await self._outbound.connected(announcement.placed_uid, announcement.call_sid, self._call_log.node)
        if placed is None:
            raise ConflictError("the call is over, or in conversation already")
        return placed

    def _journal(self, announcement: Announcement, routed: RoutedAgent, placed: Call | None) -> CallJournal:
        if placed is not None:
            return self._call_log.resume(placed)
        return self._call_log.open(
            routed.agent,
            sid=announcement.call_sid,
            from_number=announcement.from_number,
            to_number=announcement.to_number,
            transport=announcement.transport,
            metadata=dict(announcement.metadata),
            party_name=announcement.metadata.get(CALLER_NAME, "")[:LONGEST_NAME] if routed.names_callers else "",
        )

    async def _route(self, announcement: Announcement) -> tuple[RoutedAgent, NotFound | None]:
        """Who answers. An unknown agent still leaves a call on record, with the first agent of its
        organization, or of the server."""
        organization, wanted = announcement.organization_uid, announcement.agent_id or announcement.to_number
        try:
            if organization:
                return await self._briefings.routed(organization, announcement.agent_id), None
            return await self._briefings.route(announcement.agent_id, announcement.to_number), None
        except NotFound:
            missing = NotFound(f"nobody answers as {wanted[:100]!r}")
            if organization:
                return await self._briefings.routed(organization), missing
            return await self._briefings.route(), missing

    def _close_refused(self, journal: CallJournal, error: VoicecoreError) -> None:
        kind = EventKind.STAGE_FAILED if isinstance(error, StageError) else EventKind.PROTOCOL_ERROR
        journal.event(CallEvent(kind, 0.0, data={"code": error.code, "message": error.message}))
        reasons = {"not_found": EndReason.AGENT_NOT_FOUND, "audio_format": EndReason.AUDIO_FORMAT}
        reasons["overloaded"] = EndReason.OVERLOADED
        reason = reasons.get(error.code, EndReason.PIPELINE_FAILED)
        self._metrics.ended(reason, MediaHealth())
        journal.ended(reason, 0.0)

    async def _build(
        self, announcement: Announcement, routed: RoutedAgent, journal: CallJournal, outlet: Outlet
    ) -> PreparedLine:
        agent, business = routed.agent.config, routed.business
        now = instants.now().astimezone(instants.zone(business.timezone))
        briefing = await self._briefings.of(business)
        calendar = AgentCalendar(self._appointments, business, journal.call.uid)
        knowledge = AgentKnowledge(self._knowledge, routed)
        early: list[News] = []
        news: Report = early.append
        chains = await self._engines.chains(agent, routed.agent.organization_uid)
        voice = voice_of(routed, chains)
        self._warmup.connect(chains, voice, announcement.audio_format)
        options = await self._warmup.stt_options(routed, announcement.audio_format.rate_hz)
        meter = Meter(self._prices)
        stt = await open_stt(chains.stt, options, lambda switched: news(switched), meter)
        facts = facts_of(routed, now, announcement.from_number)
        self._stock.name(lasting_greeting(agent.greeting, facts))

        put_through = partial(self._put_through, routed, journal.call.external_id)

        def toolbox(hang_up: Callable[[], None]) -> Toolbox:
            desk = Desk(Callbacks(self._database, business, journal.call.uid), hang_up, put_through)
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
            system_prompt=system_message(agent, facts, hours=briefing.port_hours(), services=briefing.port_services()),
            facts=facts,
            now=now,
            voice=voice,
            toolbox=toolbox,
            inbound=announcement.audio_format,
            ahead_ms=self._media.ahead_ms,
        )
        stages = Stages(
            vad=chains.vad.open(announcement.audio_format.rate_hz),
            stt=stt,
            llm=FailoverLlm(chains.llm, lambda switched: news(switched), meter),
            tts=FailoverTts(
                chains.tts,
                lambda switched: news(switched),
                self._stock,
                silence_ms=agent.turn.unexplained_silence_ms,
                meter=meter,
            ),
            turn=chains.turn,
            meter=meter,
        )
        recorder = Recorder(self._tapes, self._tape_path(journal, now), announcement.audio_format.rate_hz)
        metered = self._metrics.journal(journal)
        engines = self._engines.stage_settings(agent)
        conversation = TracedConversation(
            setup, stages, outlet, metered, recorder, self._pacer, notebook=recorder, engines=engines
        )
        news = conversation.switched
        for switched in early:
            conversation.switched(switched)
        release = partial(self._admission.release, routed.agent.organization_uid)
        return PreparedLine(conversation, journal, recorder, self._metrics, meter, self._recordings, release)

    async def _put_through(self, routed: RoutedAgent, call_id: str) -> None:
        """Have the colleague's telephone ring; the agent goes on until he answers. Raises VoicecoreError."""
        target = routed.agent.config.transfer_to or routed.business.phone
        if not target:
            raise ConflictError("the agent has nobody to transfer calls to")
        await self._transfers.transfer(routed.agent.organization_uid, call_id, TransferKind.ATTENDED, target)

    def _tape_path(self, journal: CallJournal, now: datetime) -> Path:
        return self._recordings / f"{now:%Y-%m-%d}" / f"{journal.call.external_id}.wav"
