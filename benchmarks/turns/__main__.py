"""`python -m benchmarks.turns`: how well turns are taken, on our dialogues or on a folder of others."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.turns.dialogue import Dialogue, DialogueError, load_folder, save
from benchmarks.turns.render import half, load_scripts, render
from benchmarks.turns.report import as_json, as_text, explained
from benchmarks.turns.run import Options, run
from benchmarks.turns.transcribe import with_words
from config.loader import pipeline
from config.schema import StageSettings, TurnPolicy
from pipelines.simulation.engines import Delays


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    policy = _policy(args.set)
    try:
        dialogues = _dialogues(args)
    except DialogueError as error:
        print(f"turns: {error.message}", file=sys.stderr)
        return 2
    if args.export:
        for dialogue in dialogues:
            save(dialogue, args.export)
        print(f"{len(dialogues)} dialogues in {args.export}", file=sys.stderr)
        return 0
    vad = StageSettings(provider=args.vad) if args.vad else pipeline("embedded").vad
    options = Options(
        vad=vad,
        turn=pipeline("embedded").turn,
        policy=policy,
        delays=Delays(word_errors=args.word_errors),
        quick=args.quick,
        jobs=args.jobs,
    )
    dialogues, words_from = with_words(dialogues)
    report = run(dialogues, options)
    if args.json:
        print(as_json(report, data=_source(args), words_from=words_from))
    else:
        print(as_text(report))
        if args.explain:
            print(f"\n{explained(report)}")
    return 0


def _dialogues(args: argparse.Namespace) -> list[Dialogue]:
    """Raises DialogueError."""
    if args.dialogues is not None:
        return load_folder(args.dialogues)
    if args.scripts is not None:
        return render(load_scripts(args.scripts), quick=args.quick)
    return render(half(args.half), quick=args.quick)


def _source(args: argparse.Namespace) -> str:
    return str(args.dialogues or args.scripts or args.half)


def _policy(changes: list[str]) -> TurnPolicy:
    """Raises SystemExit for what is no setting of `turn`."""
    values: dict[str, Any] = dict(change.partition("=")[::2] for change in changes)
    try:
        return msgspec.convert(values, TurnPolicy, strict=False)
    except msgspec.ValidationError as error:
        raise SystemExit(f"turns: --set: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--quick", action="store_true", help="half of the dialogues, a coarse sweep: under a minute")
    parser.add_argument("--half", choices=("test", "dev"), default="test", help="which of our scripts")
    parser.add_argument("--dialogues", type=Path, metavar="DIR", help="dialogues from outside: see turns/README.md")
    parser.add_argument(
        "--scripts", type=Path, metavar="FILE", help="scripts from outside, written as turns/data/*.yaml"
    )
    parser.add_argument("--export", type=Path, metavar="DIR", help="write our dialogues in that format and stop")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of `turn`")
    parser.add_argument("--word-errors", type=float, default=0.0, metavar="SHARE", help="words that are misheard")
    parser.add_argument("--vad", metavar="PROVIDER", help="voice detector; else that of the embedded pipeline")
    parser.add_argument("--explain", action="store_true", help="which holds were cut off, which ends waited for long")
    parser.add_argument("--jobs", type=int, default=0, help="processes; one a core")
    return parser


if __name__ == "__main__":
    sys.exit(main())
