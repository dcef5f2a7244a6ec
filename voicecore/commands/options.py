"""Options that several commands share, and the settings that follow from them."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from config.loader import load
from config.schema import ServerSettings
from voicecore import logs

PIPE_WIDTH = 140  # characters


def add_settings(parser: argparse.ArgumentParser) -> None:
    """--config and --data: where the server's settings and its data are."""
    parser.add_argument(
        "--config", metavar="FILE", help="settings in YAML (default: $VOICECORE_CONFIG, else the defaults)"
    )
    parser.add_argument("--data", metavar="DIR", help="where database and recordings are (default: data)")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print data instead of text")


def settings(args: argparse.Namespace, overrides: dict[str, Any] | None = None) -> ServerSettings:
    """Defaults < file < environment < command line. Raises ConfigError. Logs go to stderr, warnings only."""
    logs.configure("warning")
    file = args.config or os.environ.get("VOICECORE_CONFIG")
    return load(
        file=Path(file) if file else None,
        environ=os.environ,
        overrides={"data": args.data, **(overrides or {})},
    )


def console() -> Console:
    """Stdout; wide where it is no terminal, so that a pipe gets whole ids."""
    narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if narrow else PIPE_WIDTH, highlight=False)


def write_json(data: Any) -> None:
    """Data on stdout, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n")
