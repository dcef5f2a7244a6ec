"""Figures of the fallbacks for Prometheus: who took over from whom, which races were run, who is left alone.

Labels are stages, providers as the settings name them, and a closed list of reasons. It knows no call.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily

from pipelines.engines import EngineRoom
from pipelines.events import CallEvent, EventKind


class EngineMetrics:
    """Counts over all calls of a process, from their events."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._switches = Counter(
            "voicecore_engine_switches",
            "Requests that went to another engine, to the same one again (from = to), or to nobody (to empty)",
            ["stage", "from", "to", "reason"],
            registry=registry,
        )
        self._hedges = Counter(
            "voicecore_engine_hedges",
            "Races between an engine that was slow and the next one, by who gave the first output (empty: nobody)",
            ["stage", "winner"],
            registry=registry,
        )

    def count(self, event: CallEvent) -> None:
        data = event.data
        if event.kind is EventKind.STAGE_HEDGED:
            self._hedges.labels(data["stage"], data["winner"]).inc()
        elif event.kind in (EventKind.STAGE_SWITCHED, EventKind.STAGE_FAILED) and "reason" in data:
            self._switches.labels(data["stage"], data["provider"], data["to"], data["reason"]).inc()


def benched(engines: EngineRoom) -> GaugeMetricFamily:
    """Read when asked."""
    family = GaugeMetricFamily(
        "voicecore_engine_benched",
        "Engines that failed and are left alone for a while; 0 while there are none",
        labels=["stage", "provider"],
    )
    for (stage, provider), count in engines.benched().items():
        family.add_metric([stage, provider], count)
    return family
