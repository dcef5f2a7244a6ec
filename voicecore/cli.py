"""The command line: finds the subcommand and hands over. A command is one module in `voicecore/commands`
with `register(parser)` and `run(args) -> int`; only the one that was asked for is imported.

Errors of the known tree become one line on stderr and exit status 2, never a stack trace.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence

from config.errors import VoicecoreError

COMMANDS = {
    "serve": "answer calls: media sockets, webhooks and REST on one port",
    "call": "place a spoken call to a running server and measure the answers",
    "calls": "list the calls of this machine's server, or draw one as a waterfall",
    "replay": "run a stored call again with other settings and compare what happens",
    "engine": "serve an engine to other gateways: whisper, behind OpenAI's transcription protocol",
    "compile": "turn the hot path into machine code: a core holds more calls",
    "doctor": "check this environment and say what to do about what is missing",
    "secrets": "keep the keys of providers, encrypted",
    "users": "list users, and let in again who lost a password or a second factor",
    "seed": "create organizations, users, agents, knowledge and numbers from a YAML file",
}
USAGE_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count


def _parser(command: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="voicecore", description="A real-time voice agent media server.")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, text in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == command:
            importlib.import_module(f"voicecore.commands.{name}").register(subparser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: the command's own, 2 for usage and known errors, 130 when interrupted."""
    # Threads of a linear algebra library wait for each other by spinning, which costs a busy event loop more than the
    # small matrices of ours ever take. Read when numpy is imported; whoever sets it knows better.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in arguments if word in COMMANDS), None)
    gc.disable()  # nothing that is imported is garbage; looking for some takes a tenth of a server's start
    parser = _parser(command)
    gc.enable()
    args = parser.parse_args(arguments)
    if args.version:
        from importlib.metadata import version

        sys.stdout.write(f"voicecore {version('voicecore')}\n")
        return 0
    if args.command is None:
        parser.print_help(sys.stderr)
        return USAGE_ERROR
    try:
        status: int = importlib.import_module(f"voicecore.commands.{args.command}").run(args)
        sys.stdout.flush()
        return status
    except VoicecoreError as error:
        sys.stderr.write(f"voicecore {args.command}: {error.message}\n")
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe is gone; Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
