"""Figures of what engines used and what that costs, for Prometheus.

An agent's settings may name any model, and labels have to stay few: those that come first get series of their own, all
others share one. It knows no call.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from pipelines.usage import Usage, Used

MOST_MODELS = 100  # with series of their own
OTHERS = "other"
MODEL = ("provider", "model")


class UsageMetrics:
    """Counts over all calls of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._known: set[str] = set()
        self._tokens = Counter(
            "voicecore_tokens",
            "Tokens of language models; cached ones are input, wasted and estimated ones input or output",
            [*MODEL, "kind"],
            registry=registry,
        )
        self._characters = Counter(
            "voicecore_characters",
            "Characters sent to voices, heard by the caller (spoken) or not (unheard)",
            [*MODEL, "kind"],
            registry=registry,
        )
        self._heard = Counter("voicecore_stt_seconds", "Audio sent to recognisers", MODEL, registry=registry)
        self._spoken = Counter("voicecore_tts_seconds", "Audio that voices made", MODEL, registry=registry)
        self._cost = Counter("voicecore_cost_usd", "By the price table", MODEL, registry=registry)
        self._unpriced = Counter(
            "voicecore_cost_unknown", "Turns in which a model without a price was used", MODEL, registry=registry
        )

    def count(self, usage: Usage) -> None:
        for name, used in usage.items():
            self._count(self._labels(name), used)

    def _labels(self, name: str) -> tuple[str, str]:
        if name not in self._known:
            if len(self._known) >= MOST_MODELS:
                return OTHERS, OTHERS
            self._known.add(name)
        provider, _, model = name.partition("/")
        return provider, model

    def _count(self, labels: tuple[str, str], used: Used) -> None:
        kinds = {
            "input": used.input_tokens,
            "cached": used.cached_tokens,
            "output": used.output_tokens,
            "wasted": used.wasted_tokens,
            "estimated": used.estimated_tokens,
        }
        for kind, tokens in kinds.items():
            if tokens:
                self._tokens.labels(*labels, kind).inc(tokens)
        for kind, characters in (("spoken", used.spoken_characters), ("unheard", used.unheard_characters)):
            if characters:
                self._characters.labels(*labels, kind).inc(characters)
        if used.heard_s:
            self._heard.labels(*labels).inc(used.heard_s)
        if used.spoken_s:
            self._spoken.labels(*labels).inc(used.spoken_s)
        if used.cost_microusd is None:
            self._unpriced.labels(*labels).inc()
        else:
            self._cost.labels(*labels).inc(used.cost_microusd / 1e6)
