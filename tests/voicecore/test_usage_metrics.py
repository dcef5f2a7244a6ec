"""Counters of what engines used, with labels that stay few whatever agents name."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pipelines.usage import Used
from voicecore.usage_metrics import MOST_MODELS, UsageMetrics


def test_everything_is_counted_by_provider_model_and_kind() -> None:
    registry = CollectorRegistry()
    metrics = UsageMetrics(registry)
    llm = Used(input_tokens=100, cached_tokens=60, output_tokens=20, wasted_tokens=30, cost_microusd=1500)
    for _ in range(2):
        metrics.count({"cloud/big": llm, "local": Used(spoken_characters=7, unheard_characters=3, spoken_s=1.5)})
    metrics.count({"cloud/ear": Used(heard_s=2.5, cost_microusd=None)})

    def value(name: str, provider: str, model: str, **kind: str) -> float | None:
        return registry.get_sample_value(name, {"provider": provider, "model": model, **kind})

    assert value("voicecore_tokens_total", "cloud", "big", kind="input") == 200
    assert value("voicecore_tokens_total", "cloud", "big", kind="cached") == 120
    assert value("voicecore_tokens_total", "cloud", "big", kind="wasted") == 60
    assert value("voicecore_tokens_total", "cloud", "big", kind="estimated") is None
    assert value("voicecore_characters_total", "local", "", kind="spoken") == 14
    assert value("voicecore_characters_total", "local", "", kind="unheard") == 6
    assert value("voicecore_tts_seconds_total", "local", "") == 3.0
    assert value("voicecore_stt_seconds_total", "cloud", "ear") == 2.5
    assert value("voicecore_cost_usd_total", "cloud", "big") == 0.003
    assert value("voicecore_cost_usd_total", "local", "") == 0.0
    assert value("voicecore_cost_usd_total", "cloud", "ear") is None
    assert value("voicecore_cost_unknown_total", "cloud", "ear") == 1


def test_any_number_of_models_is_a_bounded_number_of_series() -> None:
    registry = CollectorRegistry()
    metrics = UsageMetrics(registry)
    for number in range(3 * MOST_MODELS):
        metrics.count({f"cloud/model-{number}": Used(input_tokens=1)})
    (tokens,) = (family for family in registry.collect() if family.name == "voicecore_tokens")
    samples = [sample for sample in tokens.samples if sample.name.endswith("_total")]
    assert len(samples) == MOST_MODELS + 1
    assert sum(sample.value for sample in samples) == 3 * MOST_MODELS
