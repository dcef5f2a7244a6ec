"""Turns points into the headline figures, a line for the terminal and a Markdown table. It measures nothing."""

from __future__ import annotations

from typing import Any

from benchmarks.capacity.search import Point


def show_point(name: str, point: Point) -> str:
    verdict = "holds" if point.holds else f"FAILS: {point.why_not}"
    return (
        f"{name:14} {point.calls:5} calls  {point.turns:5} turns  response p50 {point.response_ms['p50']:.0f} "
        f"p95 {point.response_ms['p95']:.0f}  added p95 {point.added_ms['p95']:.1f}  cpu {point.cpu_pct:.0f} % "
        f"(+ {point.core_others_pct:.0f} % others)  rss {point.rss_mb:.0f} MB  "
        f"generator {point.generator_cpu_pct:.0f} %, p95 {point.generator_late_ms['p95']:.1f} ms late  {verdict}"
    )


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """The figures under their published names; what was not measured is absent."""
    figures: dict[str, Any] = {}
    names = {"ours": "", "floor": "floor_", "peer_default": "peer_default_"}
    names |= {"peer_silero": "peer_silero_", "peer_external": "peer_external_"}
    for name, prefix in names.items():
        if name in results and not results[name]["failure"]:
            figures[f"{prefix}calls_per_core"] = results[name]["calls_per_core"]
    ours = results.get("ours", {})
    if "half" in ours:
        half = ours["half"]["point"]
        figures["added_latency_p95_ms"] = half["added_ms"]["p95"]
        figures["barge_in_p95_ms"] = ours["half"]["barge_in_ms"]["p95"]
        figures["cpu_per_call_pct"] = half["cpu_per_call_pct"]
        figures["rss_per_call_mb"] = further_call_mb(ours["points"])
        figures["first_call_s"] = sorted(ours["first_calls_s"])[len(ours["first_calls_s"]) // 2]
    for other in ("floor", "peer_default", "peer_silero", "peer_external"):
        if figures.get(f"{other}_calls_per_core") and figures.get("calls_per_core"):
            figures[f"times_{other}"] = round(figures["calls_per_core"] / figures[f"{other}_calls_per_core"], 2)
    return figures


def further_call_mb(points: list[dict[str, Any]]) -> float | None:
    """Memory of each call beyond the first, up to the largest point that held."""
    holding = [point for point in points if point["holds"]]
    if len(holding) < 2:
        return None
    first, last = holding[0], max(holding, key=lambda point: int(point["calls"]))
    return round(float(last["rss_mb"] - first["rss_mb"]) / int(last["calls"] - first["calls"]), 3)


def markdown(report: dict[str, Any]) -> str:
    machine = report["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}; others used "
        f"{machine['others_on_server_core_pct']} % of the server's core before the run.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in report["headline"].items()),
        "",
        "| server | calls | response p50 / p95 / p99 ms | added p95 ms | gaps | missed | CPU % | RSS MB | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in report["servers"].items():
        for point in result["points"]:
            response = point["response_ms"]
            lines.append(
                f"| {name} | {point['calls']} | {response['p50']} / {response['p95']} / {response['p99']} "
                f"| {point['added_ms']['p95']} | {point['gaps']} | {point['missed_turns']} | {point['cpu_pct']} "
                f"| {point['rss_mb']} | {point['why_not'] or 'holds'} |"
            )
    return "\n".join(lines)
