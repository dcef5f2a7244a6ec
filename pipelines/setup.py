"""What a call is given before it begins: what it is about, and its engines.

Made by whoever answers the telephone; a conversation only reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from config.schema import AgentSettings
from pipelines.audio import AudioFormat
from pipelines.brain.tools import Toolbox
from pipelines.meter import Meter
from pipelines.stages import Llm, SttSession, Tts, TurnDetector, VadStream, Voice


class Stages(msgspec.Struct, frozen=True):
    """One call's engines."""

    vad: VadStream
    stt: SttSession
    llm: Llm
    tts: Tts
    turn: TurnDetector | None = None
    meter: Meter = msgspec.field(default_factory=Meter)  # that the engines count in


class Setup(msgspec.Struct, frozen=True):
    """What a call is about. `now` is aware and fixed for the call; `greeting` is ready to be spoken."""

    agent: AgentSettings
    greeting: str
    system_prompt: str
    facts: dict[str, Any]
    now: datetime
    voice: Voice
    toolbox: Callable[[Callable[[], None]], Toolbox]  # given how to hang up
    inbound: AudioFormat
    ahead_ms: float = 300.0
