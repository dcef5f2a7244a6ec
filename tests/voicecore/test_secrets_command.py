"""`voicecore secrets`: a value goes in by standard input, and never comes out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from voicecore.cli import USAGE_ERROR, main

KEY = "key-that-must-not-show-4711"


class Shell:
    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *arguments: str, stdin: str = "", secrets_key: str = "") -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        self._monkeypatch.setenv("VOICECORE_SECRETS_KEY", secrets_key)
        status = main(["secrets", *arguments, "--data", str(self.data)])
        printed = self._capsys.readouterr()
        assert KEY not in printed.out + printed.err
        return status, printed.out, printed.err


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, monkeypatch, capsys)


def test_a_key_is_stored_listed_by_name_and_removed(shell: Shell) -> None:
    assert shell.run("set", "voice", stdin=f"{KEY}\n") == (0, "stored; use it as store:voice\n", "")
    assert shell.run("list")[1].split() == ["voice", "everybody"]
    assert KEY.encode() not in b"".join(file.read_bytes() for file in shell.data.iterdir())
    assert shell.run("remove", "voice")[:2] == (0, "removed\n")
    assert shell.run("list")[:2] == (0, "")
    assert shell.run("remove", "voice") == (USAGE_ERROR, "", 'voicecore secrets: no secret "voice"\n')


def test_keys_are_encrypted_anew(shell: Shell) -> None:
    shell.run("set", "voice", stdin=KEY, secrets_key="old")
    assert shell.run("rotate", secrets_key="new,old")[:2] == (0, "1 encrypted anew\n")
    assert shell.run("rotate", secrets_key="new")[0] == 0
    status, _, error = shell.run("rotate", secrets_key="old")
    assert (status, "another key" in error) == (USAGE_ERROR, True)


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("set",), KEY),
        (("set", "voice"), ""),
        (("set", "a b"), KEY),
        (("set", "voice", "--organization", "org_nobody"), KEY),
        (("remove",), ""),
        (("list", "voice"), ""),
    ],
)
def test_wrong_use_is_told_in_a_line_and_stores_nothing(shell: Shell, arguments: tuple[str, ...], stdin: str) -> None:
    status, out, error = shell.run(*arguments, stdin=stdin)
    assert (status, out, error.count("\n")) == (USAGE_ERROR, "", 1)
    assert shell.run("list")[:2] == (0, "")


def test_a_value_on_the_command_line_is_refused(shell: Shell) -> None:
    with pytest.raises(SystemExit) as done:
        shell.run("set", "voice", "a-value")
    assert done.value.code == USAGE_ERROR
