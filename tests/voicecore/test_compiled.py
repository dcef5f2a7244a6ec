"""What was compiled is used by the server's own processes, and only while it is what the sources say."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from voicecore import compiled, compiling
from voicecore.commands import compile as command
from voicecore.doctor import hot_path
from voicecore.findings import Verdict

HAS_COMPILED = compiled.is_fresh()


def made(folder: Path, root: Path, paths: list[str]) -> None:
    folder.mkdir()
    (folder / compiled.MANIFEST).write_text("\n".join([sys.version, *compiled.digests(paths, root)]) + "\n")


def test_only_what_was_made_of_these_sources_is_fresh(tmp_path: Path) -> None:
    folder, source = tmp_path / "made", tmp_path / "a.py"
    source.write_text("x = 1")
    assert not compiled.is_fresh(folder, tmp_path)
    made(folder, tmp_path, ["a.py"])
    assert compiled.is_fresh(folder, tmp_path)
    source.write_text("x = 2")
    assert not compiled.is_fresh(folder, tmp_path)
    source.unlink()
    assert not compiled.is_fresh(folder, tmp_path)


def test_nothing_of_another_python_is_fresh(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    made(tmp_path / "made", tmp_path, ["a.py"])
    manifest = tmp_path / "made" / compiled.MANIFEST
    manifest.write_text(manifest.read_text().replace(sys.version, "3.0"))
    assert not compiled.is_fresh(tmp_path / "made", tmp_path)
    manifest.write_text("")
    assert not compiled.is_fresh(tmp_path / "made", tmp_path)


def test_tests_run_the_sources() -> None:
    """Whoever has imported one of the modules goes on with what he has."""
    import pipelines.clock

    assert not compiled.prefer()
    assert not compiled.in_use()
    assert str(pipelines.clock.__file__).endswith(".py")


@pytest.mark.parametrize("module", compiled.MODULES)
def test_no_struct_is_compiled(module: str) -> None:
    """It would lose the options of its class: frozen, tag, forbid_unknown_fields."""
    tree = ast.parse((compiled.SOURCES / (module.replace(".", "/") + ".py")).read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            assert not node.keywords, node.name
            assert not any("Struct" in ast.unparse(base) for base in node.bases), node.name


def test_what_compiled_modules_import_is_watched_too() -> None:
    sources = compiling._sources(compiled.SOURCES)
    assert {module.replace(".", "/") + ".py" for module in compiled.MODULES} < set(sources)
    assert "config/schema.py" in sources
    assert "pipelines/machines/boundaries.py" in sources


def test_doctor_knows(tmp_path: Path) -> None:
    assert hot_path(tmp_path / "none").verdict is Verdict.WARN
    assert hot_path(tmp_path).text.startswith("compiled from other sources")


def test_a_missing_compiler_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nowhere/cc")
    with pytest.raises(compiling.CompileError, match="no C compiler called /nowhere/cc"):
        compiling.compile_hot_path(tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(not HAS_COMPILED, reason="the hot path is not compiled here")
def test_compiling_again_is_not_needed(capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    assert command.run(argparse.Namespace(force=False)) == 0
    assert "compiled already" in capsys.readouterr().out


CALL = """
import subprocess
import sys
from voicecore import compiled
if sys.argv[1] == "compiled":
    assert compiled.prefer()
from benchmarks.capacity.expected import talk
from benchmarks.capacity.servers import Waits
from benchmarks.capacity.speech import utterances
from pipelines.simulation.virtual_time import run_in_virtual_time
import pipelines.ear
print(pipelines.ear.__file__.rpartition(".")[2], run_in_virtual_time(talk(utterances(), Waits(), 3, None, 4)))
"""


@pytest.mark.skipif(not HAS_COMPILED, reason="the hot path is not compiled here")
def test_a_call_goes_the_same_way_to_the_millisecond() -> None:
    def call(how: str) -> tuple[str, str]:
        command = [sys.executable, "-c", CALL, how]
        done = subprocess.run(command, cwd=compiled.SOURCES, capture_output=True, text=True, check=True)
        kind, _, answers = done.stdout.partition(" ")
        return kind, answers

    (machine_code, answers), (source, expected) = call("compiled"), call("source")
    assert (machine_code, source) == ("so", "py")
    assert answers == expected
    assert answers.count("Answer(") == 4
