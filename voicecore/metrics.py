"""Figures of the calls for Prometheus: few labels, no ids. The REST side has its own in `api/metrics.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipelines.engines import EngineRoom
from pipelines.events import CallEvent, EndReason, EventKind
from pipelines.journal import Journal
from pipelines.machines.speculation import Ledger
from pipelines.pacer import Pacer
from pipelines.timing import Turn, response_latency_ms, waterfall
from voicecore import compiled
from voicecore.admission import Admission, Refusal
from voicecore.domain.calls import MediaHealth
from voicecore.engine_metrics import EngineMetrics, benched
from voicecore.usage_metrics import UsageMetrics

LATENCY_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
LATENESS_BUCKETS = (0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0)


class CallMetrics:
    """Counts over all calls of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._watchers: list[Callable[[Turn], None]] = []
        self.engines = EngineMetrics(registry)
        self.usage = UsageMetrics(registry)
        self.active = Gauge("voicecore_calls_active", "Calls in progress", registry=registry)
        self.calls = Counter("voicecore_calls", "Ended calls", ["end_reason"], registry=registry)
        self.turns = Counter("voicecore_turns", "Finished turns", ["interrupted"], registry=registry)
        self.events = Counter("voicecore_call_events", "Events in calls", ["kind"], registry=registry)
        self.latency = Histogram(
            "voicecore_response_latency_seconds",
            "Last sample of the caller's speech to the first audible frame on the socket",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.stages = Histogram(
            "voicecore_stage_seconds",
            "What the caller waited for, by stage",
            ["stage"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.worst_lateness = Histogram(
            "voicecore_call_worst_frame_lateness_seconds",
            "The latest inbound frame of a call, against its media clock",
            buckets=LATENESS_BUCKETS,
            registry=registry,
        )
        self.late_frames = Counter(
            "voicecore_frames_late", "Inbound frames later than so many milliseconds", ["over_ms"], registry=registry
        )
        self.reordered = Counter("voicecore_frames_reordered", "Duplicates and inversions", registry=registry)
        self.underruns = Counter("voicecore_underruns", "Answers that broke off for want of audio", registry=registry)
        self.stale = Counter("voicecore_stale_audio_bytes", "Audio of cancelled replies, dropped", registry=registry)
        self.jitter = Histogram(
            "voicecore_call_jitter_seconds", "Arrival jitter of a call", buckets=LATENESS_BUCKETS, registry=registry
        )
        self.lost_frames = Counter("voicecore_frames_lost", "Inbound messages that never came", registry=registry)
        self.speculations = Counter(
            "voicecore_speculation_settled",
            "Answers begun before the caller's turn was certain, heard (hit) or thrown away (miss)",
            ["outcome"],
            registry=registry,
        )
        self.speculation_sums = {
            name: Counter(f"voicecore_speculation_{name}", text, registry=registry)
            for name, text in (
                ("saved_seconds", "What callers did not wait thanks to answers begun early"),
                ("tokens_wasted", "Tokens of the model in answers thrown away"),
                ("characters_wasted", "Characters synthesised and thrown away"),
            )
        }

    @contextmanager
    def watched(self, show: Callable[[Turn], None]) -> Iterator[None]:
        """Show every finished turn of the process to somebody; a terminal, say."""
        self._watchers.append(show)
        try:
            yield
        finally:
            self._watchers.remove(show)

    def turn_finished(self, turn: Turn) -> None:
        self.turns.labels("yes" if turn.interrupted else "no").inc()
        self._speculated(turn.speculation)
        self.usage.count(turn.usage)
        if (latency := response_latency_ms(turn.marks)) is not None:
            self.latency.observe(latency / 1000.0)
            for stage, waited in waterfall(turn.marks).items():
                self.stages.labels(stage.value).observe(waited / 1000.0)
        for show in self._watchers:
            show(turn)

    def _speculated(self, ledger: Ledger) -> None:
        self.speculations.labels("hit").inc(ledger.hits)
        self.speculations.labels("miss").inc(ledger.misses)
        self.speculation_sums["saved_seconds"].inc(ledger.saved_ms / 1000.0)
        self.speculation_sums["tokens_wasted"].inc(ledger.tokens_wasted)
        self.speculation_sums["characters_wasted"].inc(ledger.characters_wasted)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.active.inc()
        try:
            yield
        finally:
            self.active.dec()

    def ended(self, reason: EndReason, health: MediaHealth) -> None:
        self.calls.labels(reason.value).inc()
        self.lost_frames.inc(health.frames_lost)
        self.reordered.inc(health.frames_reordered)
        self.underruns.inc(health.underruns)
        self.stale.inc(health.stale_bytes)
        for over_ms, frames in health.late_over.items():
            self.late_frames.labels(over_ms).inc(frames)
        if health.frames_in:
            self.jitter.observe(health.jitter_ms / 1000.0)
            self.worst_lateness.observe(health.worst_late_ms / 1000.0)

    def journal(self, inner: Journal) -> Journal:
        """The same journal, counted."""
        return _MeteredJournal(self, inner)


_COUNTED = frozenset(
    {
        EventKind.BARGE_IN,
        EventKind.FALSE_ALARM,
        EventKind.TURN_RESUMED,
        EventKind.STAGE_FAILED,
        EventKind.STAGE_SWITCHED,
        EventKind.STAGE_HEDGED,
        EventKind.STAGE_BENCHED,
        EventKind.FALLBACK_SPOKEN,
        EventKind.PROTOCOL_ERROR,
    }
)


class _MeteredJournal:
    def __init__(self, metrics: CallMetrics, inner: Journal) -> None:
        self._metrics = metrics
        self._inner = inner

    def event(self, event: CallEvent) -> None:
        if event.kind in _COUNTED:
            self._metrics.events.labels(event.kind.value).inc()
            self._metrics.engines.count(event)
        self._inner.event(event)

    def turn_finished(self, turn: Turn) -> None:
        self._metrics.turn_finished(turn)
        self._inner.turn_finished(turn)

    def ended(self, reason: EndReason, at_ms: float) -> None:
        self._inner.ended(reason, at_ms)


class LoadMetrics(Collector):
    """What admission looks at, read when asked."""

    def __init__(self, admission: Admission, pacer: Pacer, engines: EngineRoom) -> None:
        self._admission = admission
        self._pacer = pacer
        self._engines = engines

    def collect(self) -> list[Metric]:
        refused = CounterMetricFamily("voicecore_calls_refused", "Calls not taken", labels=["reason"])
        for reason in Refusal:
            refused.add_metric([reason.value], self._admission.refusals[reason])
        lag = self._pacer.lag_ms / 1000.0
        return [
            refused,
            GaugeMetricFamily("voicecore_loop_lag_seconds", "Worst lateness of the event loop lately", lag),
            GaugeMetricFamily(
                "voicecore_engine_backlog_seconds", "Age of the oldest undone work", self._engines.backlog_ms() / 1000.0
            ),
            benched(self._engines),
            GaugeMetricFamily("voicecore_media_connections", "Open media sockets", self._admission.active),
            GaugeMetricFamily("voicecore_compiled", "1: the hot path is machine code", float(compiled.in_use())),
            GaugeMetricFamily("voicecore_tasks", "Tasks on the event loop", len(asyncio.all_tasks())),
        ]
