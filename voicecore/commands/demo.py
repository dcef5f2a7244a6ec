"""The demo call of a first start: a recorded caller rings this very server over the carrier's protocol.

It runs in a process of its own, as a caller would, and is shown from the server's side, turn by turn.
"""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console
from rich.text import Text

from pipelines.timing import Turn
from voicecore.app import Server
from voicecore.waterfall import draw_turn, legend, scale_of

TIMEOUT_S = 120


async def place_demo_call(server: Server) -> bool:
    """Place it and print every exchange as it ends. True when every turn was answered."""
    console = Console()
    await asyncio.wait([server.warming])
    console.print(Text("\nA demo call, recorded caller, real time:", style="bold"), legend(), "", sep="\n")
    shown: list[Turn] = []

    def show(turn: Turn) -> None:
        shown.append(turn)
        width = max(20, min(console.width, 140) - 10)
        console.print(draw_turn(turn, scale_of(shown), width=width, colours=console.color_system is not None), "")

    with server.watch_turns(show):
        status = await _call(server)
    if status != 0:
        console.print(Text("The demo call was not answered in every turn; the log above may say why.", style="red"))
    return status == 0


async def _call(server: Server) -> int:
    """`voicecore call` without arguments says the demo call's sentences."""
    command = [sys.executable, "-m", "voicecore", "call", "--url", server.url, "--data", server.settings.data]
    caller = await asyncio.create_subprocess_exec(
        *command, "--json", "--timeout-s", str(TIMEOUT_S), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        return await caller.wait()
    except asyncio.CancelledError:
        caller.terminate()
        await caller.wait()
        raise
