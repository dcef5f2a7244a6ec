"""The commands as a shell runs them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from voicecore.cli import COMMANDS, main

SEED = """
organizations:
  - id: acme
    name: Acme
    agents: [{id: dental, name: Dental}]
    calls:
      - id: call_old
        sid: CA0001
        agent: dental
        started_at: 2030-01-01T09:00:00Z
        duration_s: 30
        from_number: "+4917000"
        turns:
          - {agent: Hello.}
          - caller: when do you open
            agent: At nine. Anything else?
            heard: At nine.
            interrupted: true
            stages: {endpoint_wait: 400, stt: 50, llm: 200, tts: 150}
      - {id: call_new, started_at: 2030-01-02T09:00:00Z, agent: dental}
"""


def voicecore(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VOICECORE_")}
    return subprocess.run(
        [sys.executable, "-m", "voicecore", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**clean, **environ},
        check=False,
    )


def test_help_is_quick_and_names_every_command() -> None:
    times = []
    for _ in range(3):  # the best of three: the machine may be busy
        started = time.perf_counter()
        shown = voicecore("--help")
        times.append(time.perf_counter() - started)
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in COMMANDS)
    assert min(times) < 0.4


def test_without_a_command_help_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    wanted = {"engine": "--model", "compile": "--force"}.get(command, "--data")  # these two have no data
    assert wanted in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["calls", "--limit", "0"],
        ["call", "--barge-in-ms", "-5"],
        ["call", "--timeout-s", "soon"],
        ["call", "--no-such-option"],
        ["seed"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_known_errors_are_one_line(tmp_path: Path) -> None:
    empty = voicecore("calls", "--data", str(tmp_path))
    assert (empty.returncode, empty.stdout) == (2, "")
    assert empty.stderr.startswith("voicecore calls: no calls yet: ")
    assert empty.stderr.count("\n") == 1
    wrong = voicecore("calls", VOICECORE_PROT="1")
    assert wrong.returncode == 2
    assert wrong.stderr == "voicecore calls: VOICECORE_PROT: no such setting; did you mean VOICECORE_PORT?\n"


def test_a_seeded_call_is_listed_drawn_and_given_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(SEED)
    data = str(tmp_path / "data")
    seeded = voicecore("seed", str(file), "--data", data, "--json")
    assert (seeded.returncode, seeded.stderr) == (0, "")
    assert json.loads(seeded.stdout)["created"]["calls"] == 2

    drawn = voicecore("calls", "CA0001", VOICECORE_DATA=data, COLUMNS="100")
    assert drawn.returncode == 0
    assert "At nine. ~~Anything else?~~" in drawn.stdout
    assert "  800 ms " in drawn.stdout

    def output(*arguments: str) -> str:
        assert main(["calls", "--data", data, *arguments]) == 0
        return capsys.readouterr().out

    assert output().index("call_new") < output().index("call_old")
    assert [call["external_id"] for call in json.loads(output("--limit", "1", "--json"))] == ["call_new"]
    detail = json.loads(output("call_o", "--json"))
    assert detail["call"]["sid"] == "CA0001"
    assert detail["turns"][1]["waterfall"]["llm"] == 200
    assert detail["turns"][1]["response_latency_ms"] == 800
    for name, reason in (("call_", "2 calls begin with"), ("nothing", "no call")):
        assert main(["calls", name, "--data", data]) == 2
        assert reason in capsys.readouterr().err


def test_a_wrong_seed_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text("organisations: []\n")
    refused = voicecore("seed", str(file), "--data", str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr == f"voicecore seed: {file}: organisations: no such setting\n"
