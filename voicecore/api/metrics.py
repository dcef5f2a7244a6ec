"""Figures of the REST side for Prometheus. Labels are route templates and statuses: never ids."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class HttpMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "voicecore_http_requests", "REST requests", ["route", "method", "status"], registry=registry
        )
        self.seconds = Histogram(
            "voicecore_http_request_seconds",
            "Time to answer a REST request",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
            registry=registry,
        )

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route).observe(seconds)


class WriterFigures(Protocol):
    """What the task that writes to the database counts."""

    dropped_events: int
    refused_facts: int
    retries: int

    @property
    def depth(self) -> int: ...


class WriterMetrics(Collector):
    """Reads the writer's own counters when asked. Register it: `registry.register(WriterMetrics(writer))`."""

    def __init__(self, writer: WriterFigures) -> None:
        self._writer = writer

    def collect(self) -> list[Metric]:
        writer = self._writer
        return [
            GaugeMetricFamily("voicecore_writer_queue", "Facts that wait for the disk", writer.depth),
            CounterMetricFamily("voicecore_writer_dropped_events", "Dropped events", writer.dropped_events),
            CounterMetricFamily("voicecore_writer_refused_facts", "Unstorable facts", writer.refused_facts),
            CounterMetricFamily("voicecore_writer_retries", "Repeated transactions", writer.retries),
        ]
