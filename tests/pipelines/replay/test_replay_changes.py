"""Settings changed by name, and refused by name."""

from __future__ import annotations

import pytest

from config.schema import AgentSettings, StageSettings
from pipelines.errors import ConfigError
from pipelines.replay.changes import Change, apply


def test_settings_are_changed_by_their_path() -> None:
    agent, changes = apply(
        AgentSettings(),
        ["turn.base_wait_ms=300", "turn.barge_in=no", "language=de", "greeting=42", "limits={max_call_s: 60}"],
    )
    assert (agent.turn.base_wait_ms, agent.turn.barge_in, agent.language) == (300, False, "de")
    assert agent.greeting == "42", "a text may look like a number"
    assert agent.limits.max_call_s == 60
    assert changes[1] == Change("turn.barge_in", True, False)
    assert AgentSettings().turn.barge_in


def test_blocks_that_are_not_there_yet_can_be_set() -> None:
    agent, _ = apply(AgentSettings(), ["stages={vad: {provider: webrtc}}", "stages.vad.options.margin_db=9"])
    assert agent.stages["vad"] == StageSettings(provider="webrtc", options={"margin_db": 9})


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ("turn.base_wait=1", "--set: turn.base_wait: no such setting; did you mean turn.base_wait_ms\\?"),
        ("zzz=1", "--set: zzz: no such setting$"),
        ("turn.base_wait_ms=fast", "--set: turn.base_wait_ms: expected `int`, got `str`"),
        ("turn.base_wait_ms=50", "--set: turn.base_wait_ms: expected `int` >= 100"),
        ("turn=5", "--set: turn: expected `object`, got `int`"),
        ("turn.base_wait_ms.x=5", '"base_wait_ms" has no settings of its own'),
        ("stages.vad.options.x=1", "provider"),
        ("turn.base_wait_ms", "NAME=VALUE is expected"),
        ("=5", "NAME=VALUE is expected"),
        ("turn.barge_in={", "turn.barge_in: expected `bool`, got `str`"),
    ],
)
def test_what_is_wrong_is_named(assignment: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        apply(AgentSettings(), [assignment])


def test_what_changes_nothing_in_a_replay_is_known() -> None:
    _, changes = apply(AgentSettings(), ["prompt=Be brief.", "turn.speculation=false", "turn={}", "capabilities={}"])
    assert [change.has_effect for change in changes] == [False, True, True, False]
