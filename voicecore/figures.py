"""The text of /metrics: this process's figures, and with fellows the sum over all of them."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from voicecore.fellows import Fellows

log = structlog.get_logger(__name__)

QUESTION = "figures"
# A sum says nothing of these: the worst process counts.
WORST = frozenset({"voicecore_loop_lag_seconds", "voicecore_engine_backlog_seconds"})


class Figures:
    """Answers for the whole server, whichever of its processes is asked."""

    def __init__(self, registry: CollectorRegistry, fellows: Fellows) -> None:
        self._registry = registry
        self._fellows = fellows
        fellows.on_asked(QUESTION, lambda _: self._own())

    async def text(self) -> bytes:
        others = await self._fellows.ask(QUESTION)
        return merged([self._own(), *others]).encode() if others else self._own().encode()

    def _own(self) -> str:
        return generate_latest(self._registry).decode()


def merged(texts: Iterable[str]) -> str:
    """Several processes' expositions as one: samples of the same name and labels are added up."""
    families: dict[str, Metric] = {}
    values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for text in texts:
        for family in _families(text):
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                if sample.name.endswith("_created"):
                    continue
                key = (sample.name, frozenset(sample.labels.items()))
                if key not in values:
                    values[key] = sample.value
                    known.samples.append(sample)
                elif family.name in WORST:
                    values[key] = max(values[key], sample.value)
                else:
                    values[key] += sample.value
    for family in families.values():
        family.samples = [s._replace(value=values[s.name, frozenset(s.labels.items())]) for s in family.samples]
    return generate_latest(_Fixed(families.values())).decode()


def _families(text: str) -> list[Metric]:
    """None when it is no exposition: the others' figures are still worth having."""
    try:
        return list(text_string_to_metric_families(text))
    except ValueError as error:
        log.error("figures_unreadable", reason=str(error))
        return []


class _Fixed(CollectorRegistry):
    """What `generate_latest` asks of a registry, for metrics that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families
