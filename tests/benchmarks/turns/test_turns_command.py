"""The command as a user runs it: exported dialogues measure as our own do, and wrong input is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.turns import __main__ as command

WANTED = [
    "response_latency_p50_s",
    "response_latency_p95_s",
    "interruptions_per_turn",
    "response_rate",
    "yield_rate",
    "yield_latency_s",
    "selectivity",
    "eva_turn_taking",
    "wait_at_5pct_s",
    "baseline_wait_at_5pct_s",
]
SCRIPTS = """
voices: {en: [espeak/en-us]}
noises: [white]
babble: [people talk]
dialogues:
  - id: short
    language: en
    greeting: Hello.
    exchanges:
      - {say: "I want to <500> come by on monday", agent: "On Monday we are open from nine to six. Is that all right?",
         ask: yes_no, over: [{at: 600, kind: backchannel, say: "mhm"}]}
      - {barge: 1500, say: "yes that is fine", agent: "See you on Monday, then.", quiet: [{at: 500, kind: tic,
         say: "*cough*", then: 2500}]}
      - {say: "goodbye", agent: "Goodbye!"}
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    file = tmp_path / "scripts.yaml"
    file.write_text(SCRIPTS)
    return file


def figures(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert command.main([*arguments, "--json", "--quick", "--jobs", "1"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_exported_dialogues_measure_as_the_scripts_they_came_from(
    scripts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    direct = figures(capsys, "--scripts", str(scripts))
    assert direct["turns"] == 6
    assert {name for name in WANTED if direct[name] is None} == set()
    folder = tmp_path / "exported"
    assert command.main(["--scripts", str(scripts), "--quick", "--export", str(folder)]) == 0
    assert len(list(folder.glob("*.wav"))) == len(list(folder.glob("*.json"))) == 2
    again = figures(capsys, "--dialogues", str(folder))
    changing = {"data", "wall_s"}
    assert {k: v for k, v in again.items() if k not in changing} == {
        k: v for k, v in direct.items() if k not in changing
    }


def test_wrong_input_ends_with_the_file_and_the_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--dialogues", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    with pytest.raises(SystemExit, match="base_wait_ms"):
        command.main(["--scripts", str(tmp_path / "none.yaml"), "--set", "base_wait_ms=1"])
