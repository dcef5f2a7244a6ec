"""What a conversation needs around it and a measurement does not: an outlet, journal and tape without content."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from config.schema import AgentSettings
from pipelines.audio import TELEPHONE, AudioFormat
from pipelines.brain.tools import Toolbox
from pipelines.events import CallEvent, EndReason
from pipelines.setup import Setup
from pipelines.stages import Voice
from pipelines.timing import Turn

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)


class Nothing:
    """Outlet, journal, tape and every port of the toolbox that do nothing."""

    audio_format: AudioFormat = TELEPHONE
    has_marks = False

    def send_audio(self, audio: bytes) -> None: ...
    def send_mark(self, name: str) -> None: ...
    def send_clear(self) -> bool:
        return False

    def send_transcript(self, role: str, text: str) -> None: ...
    def hang_up(self) -> None: ...
    def event(self, event: CallEvent) -> None: ...
    def turn_finished(self, turn: Turn) -> None: ...
    def ended(self, reason: EndReason, at_ms: float) -> None: ...
    def caller(self, at_ms: float, pcm: bytes) -> None: ...
    def agent(self, at_ms: float, pcm: bytes) -> None: ...
    def erase_agent_after(self, at_ms: float) -> None: ...


def plain_setup() -> Setup:
    """An agent of default settings that does not greet, on a telephone line."""
    port: Any = Nothing()  # of the toolbox: the simulated model calls no tool
    return Setup(
        agent=AgentSettings(),
        greeting="",
        system_prompt="",
        facts={},
        now=NOW,
        voice=Voice(),
        toolbox=lambda _: Toolbox(port, port, port, now=lambda: NOW),
        inbound=TELEPHONE,
    )
