"""The shape of the project, as tests: who may import whom, and what an import may cost."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LADDER = ("config", "pipelines", "voicecore")  # an import may only point left
FLOORS = {
    # module prefix inside voicecore → what it may import of voicecore; everything left of it on the ladder is allowed
    "voicecore.domain": {"voicecore.domain"},
    "voicecore.storage": {"voicecore.storage", "voicecore.domain"},
    "voicecore.transports": {"voicecore.transports"},
    "voicecore.services": {"voicecore.services", "voicecore.storage", "voicecore.domain"},
}
SDKS = {"openai", "elevenlabs", "deepgram", "cartesia", "httpx", "httpx2", "faster_whisper", "ctranslate2"} | {
    "pocketsphinx",
    "espeakng_loader",
    "onnxruntime",
    "piper",
    "kokoro_onnx",
    "phonemizer",
    "torch",
}
# Outside `storage`: services pass a connection through (its type) and translate the errors of one statement.
SQL_NAMES = {"IntegrityError", "SQLAlchemyError", "AsyncConnection"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for top in LADDER for path in sorted((ROOT / top).rglob("*.py"))}
# Alembic runs its scripts itself.
MODULES = sorted(name for name in PATHS if not name.startswith("voicecore.storage.migrations."))


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_text(encoding="utf-8"))


def targets(module: str, node: ast.AST) -> set[str]:
    """The modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{module}: imports are absolute"
        assert node.module is not None
        parts = {f"{node.module}.{alias.name}" for alias in node.names}
        return {part if part in PATHS else node.module for part in parts}
    return set()


def guarded(module: str) -> set[ast.AST]:
    """What stands below `if TYPE_CHECKING:`."""
    return {
        inner
        for node in ast.walk(tree(module))
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }


def all_imports(module: str) -> set[str]:
    return {target for node in ast.walk(tree(module)) for target in targets(module, node)}


@cache
def imports_at_load(module: str) -> set[str]:
    """What importing the module imports: everything that does not stand inside a function."""
    found: set[str] = set()
    skipped = guarded(module)
    waiting: list[ast.AST] = [tree(module)]
    while waiting:
        node = waiting.pop()
        if node in skipped or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        found |= targets(module, node)
        waiting += ast.iter_child_nodes(node)
    return found


def packages(module: str) -> set[str]:
    """Those that hold it, and are loaded before it."""
    parts = module.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))} & set(PATHS)


def top(name: str) -> str:
    return name.partition(".")[0]


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


@pytest.mark.parametrize("floor", LADDER)
def test_an_import_only_points_left(floor: str) -> None:
    allowed = set(LADDER[: LADDER.index(floor) + 1])
    wrong = {
        (module, target)
        for module in PATHS
        if top(module) == floor
        for target in all_imports(module)
        if top(target) in {*LADDER, "benchmarks", "tests"} - allowed
    }
    assert not wrong


@pytest.mark.parametrize("floor", FLOORS)
def test_the_floors_of_the_server(floor: str) -> None:
    wrong = {
        (module, target)
        for module in PATHS
        if within(module, floor)
        for target in all_imports(module)
        if top(target) == "voicecore" and not any(within(target, allowed) for allowed in FLOORS[floor])
    }
    assert not wrong


def test_only_the_composition_root_knows_everyone() -> None:
    everyone = ("voicecore.services", "voicecore.storage", "voicecore.api", "voicecore.transports")
    knowing = {m for m in PATHS if all(any(within(t, part) for t in all_imports(m)) for part in everyone)}
    assert knowing <= {"voicecore.app"}


def test_surfaces_reach_storage_only_through_services() -> None:
    wrong = {
        (module, target)
        for module in PATHS
        if within(module, "voicecore.api")
        for target in all_imports(module)
        if within(target, "voicecore.storage") or top(target) == "sqlalchemy"
    }
    assert not wrong


def test_no_module_is_in_a_circle() -> None:
    edges = {module: {t for t in imports_at_load(module) if t in PATHS} for module in PATHS}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"a circle: {' → '.join((*trail[trail.index(module) :], module))}"
        if module in done:
            return
        for target in sorted(edges[module] - {module}):
            visit(target, (*trail, module))
        done.add(module)

    for module in PATHS:
        visit(module, ())


def test_sql_stands_in_storage_only() -> None:
    wrong = {
        (module, alias.name)
        for module in PATHS
        if not within(module, "voicecore.storage")
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if "sqlalchemy" in (top(getattr(node, "module", None) or ""), top(alias.name)) and alias.name not in SQL_NAMES
    }
    assert not wrong


def test_no_vendors_kit_is_loaded_before_it_is_asked_for() -> None:
    # A child of the worker processes is loaded only by the process that was asked for, a provider's private parts by
    # its factory: not by anything that is loaded with the rest.
    private = {module for module in PATHS if module.startswith("pipelines.providers._") or module.endswith("_child")}

    def loaded_with(module: str) -> set[str]:
        found, waiting = {module}, [module]
        while waiting:
            found |= (new := {t for t in imports_at_load(waiting.pop()) if t in PATHS} - found)
            waiting += new
        return found

    wrong = {
        (module, part, target)
        for module in set(PATHS) - private
        if not within(module, "pipelines.speech")
        for part in loaded_with(module)
        if not within(part, "pipelines.speech")
        for target in imports_at_load(part)
        if top(target) in SDKS
    }
    assert not wrong


def test_the_conversation_core_starts_no_work_outside_the_driver() -> None:
    """Machines neither wait nor look at a clock."""
    forbidden = {"asyncio", "time", "threading", "datetime"}
    for module in PATHS:
        if within(module, "pipelines.machines"):
            assert not {top(target) for target in all_imports(module)} & forbidden, module
            assert not [n for n in ast.walk(tree(module)) if isinstance(n, ast.AsyncFunctionDef | ast.Await)], module


def test_every_module_says_what_it_is_for() -> None:
    assert [m for m in PATHS if tree(m).body and not ast.get_docstring(tree(m))] == []


# --- in a fresh interpreter -----------------------------------------------------------------------

IMPORT_EACH = """
import importlib, json, sys
failed = {}
for name in json.load(sys.stdin):
    ours = {m for m in sys.modules if m.partition(".")[0] in ("config", "pipelines", "voicecore")}
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = repr(error)
    parents = {name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)}
    more = {m for m in sys.modules if m.partition(".")[0] in ("config", "pipelines", "voicecore")} - ours - parents
    if more:
        failed[name] = f"loaded before it was its turn: {sorted(more)}"
json.dump(failed, sys.stdout)
"""


def python(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=60,
    )


def test_every_module_can_be_imported_alone() -> None:
    """There are no circles (above), so each is imported after what it names, and must then load nothing else of ours:
    whoever begins with it gets the same. That takes a second; really beginning with each one takes minutes."""
    begun_alone = {m for m in MODULES if m.endswith(("__main__", "_child"))}  # in processes of their own
    needed = {target for module in set(MODULES) - begun_alone for target in imports_at_load(module)}
    importable = set(MODULES) - (begun_alone - needed)
    assert len(importable) > 100
    named = {module: imports_at_load(module) & importable - {module} for module in importable}
    order = list(TopologicalSorter({m: named[m] | packages(m) for m in importable}).static_order())
    result = python("-c", IMPORT_EACH, stdin=json.dumps(order))
    assert json.loads(result.stdout) == {}


LOADED = "import json, sys; {}; json.dump(sorted({{m.partition('.')[0] for m in sys.modules}}), sys.stderr)"
HELP = "import voicecore.cli as c\ntry: c.main(['--help'])\nexcept SystemExit as e: assert e.code == 0"
HEAVY = SDKS | {"twilio", "numpy", "soxr", "sqlalchemy", "alembic", "aiohttp", "picows", "dateparser", "rich"}


@pytest.mark.parametrize(("what", "code"), [("import voicecore", "import voicecore"), ("--help", f"exec({HELP!r})")])
def test_starting_up_loads_nothing_that_is_not_needed(what: str, code: str) -> None:
    loaded = set(json.loads(python("-c", LOADED.format(code)).stderr))
    assert "voicecore" in loaded
    assert not loaded & HEAVY


def test_importing_it_takes_next_to_nothing() -> None:
    """As Python's own clock of imports tells it; the bound leaves room for a busy machine."""
    result = python("-X", "importtime", "-c", "import voicecore, voicecore.cli")
    lines = result.stderr.splitlines()
    ours = [line for line in lines if line.endswith(("| voicecore.cli", "| voicecore"))]
    assert len(ours) == 2
    assert sum(int(line.split("|")[1]) for line in ours) < 400_000  # microseconds


def test_help_is_there_at_once() -> None:
    """In processor time, against a bare interpreter: what else the machine does has no say."""
    measure = "import resource as r; u = r.getrusage(r.RUSAGE_CHILDREN); print(u.ru_utime + u.ru_stime)"
    run = "import subprocess, sys; subprocess.run([sys.executable, *{}], stdout=-3, check=True); {}"

    def seconds(arguments: list[str]) -> float:
        code = run.format(arguments, measure)
        return min(float(python("-c", code).stdout) for _ in range(3))

    assert seconds(["-m", "voicecore", "--help"]) < 6 * seconds(["-c", "pass"]) + 0.1
