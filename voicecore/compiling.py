"""Compiles the hot path with mypyc, in a process and a folder of its own: see `voicecore/compiled.py`."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path

from config.errors import VoicecoreError
from voicecore.compiled import FOLDER, MANIFEST, MODULES, SOURCES, digests

PACKAGES = ("config", "pipelines", "voicecore")
GROUP = "voicecore_hot"  # the library that the modules share
OUTPUT_LINES = 20  # of a failed compiler's


class CompileError(VoicecoreError):
    """What is needed to compile is missing, or the compiler failed; nothing was changed."""

    code = "compile_failed"


def compile_hot_path(folder: Path = FOLDER) -> None:
    """Takes about a minute. Raises CompileError."""
    for package in ("mypyc", "setuptools"):
        if find_spec(package) is None:
            raise CompileError(f"{package} is missing: pip install 'voicecore[compiled]'")
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        raise CompileError(
            f"there is no C compiler called {compiler}: on Debian and Ubuntu, apt install gcc python3-dev"
        )
    with tempfile.TemporaryDirectory(prefix="voicecore-compile-") as name:
        work = Path(name)
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(SOURCES / package, work / "src" / package, ignore=ignored)
        lines = digests(_sources(work / "src"), work / "src")
        _build(work)
        try:
            _put_in_place(work / "lib", folder, [sys.version, *lines])
        except OSError as error:
            raise CompileError(f"{folder} cannot be written: {error.strerror}") from error


def _path(module: str) -> str:
    return module.replace(".", "/") + ".py"


def _sources(root: Path) -> list[str]:
    """The modules, and what they import of these packages: its types are compiled in."""
    found = {_path(module) for module in MODULES}
    for module in MODULES:
        for node in ast.walk(ast.parse((root / _path(module)).read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                found |= {path for name in names if (root / (path := _path(name))).is_file()}
    return sorted(found)


def _build(work: Path) -> None:
    command = [sys.executable, "-m", "voicecore.compiling", str(work / "build"), str(work / "lib")]
    environment = os.environ | {"PYTHONPATH": str(work / "src"), "MYPY_CACHE_DIR": str(work / "cache")}
    done = subprocess.run(
        command, cwd=work / "src", env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        told = "\n".join((done.stdout + done.stderr).splitlines()[-OUTPUT_LINES:])
        raise CompileError(f"the hot path could not be compiled (are Python's headers there?):\n{told}")


def _put_in_place(made: Path, folder: Path, lines: list[str]) -> None:
    """The manifest goes last: without it nothing is used."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    unfinished = folder / f"{MANIFEST}.new"
    unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
    unfinished.replace(folder / MANIFEST)


def _setup(build: str, lib: str) -> None:
    """In the process of its own; the current folder holds the sources."""
    from mypyc.build import mypycify
    from setuptools import setup

    options = ["--strict", "--follow-imports=silent", "--ignore-missing-imports", "--no-warn-unused-ignores"]
    extensions = mypycify(
        [*options, *map(_path, MODULES)], opt_level="3", debug_level="0", target_dir=build, group_name=GROUP
    )
    command = ["--quiet", "build_ext", "--build-temp", build, "--build-lib", lib]
    setup(name=GROUP, packages=[], py_modules=[], ext_modules=extensions, script_args=command)


if __name__ == "__main__":
    _setup(*sys.argv[1:])
