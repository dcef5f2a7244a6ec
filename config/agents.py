"""Reads an agent's file and refuses what would only fail on a call: time zones, hours, placeholders.

Refuses to know who uses an agent, and where agents are kept once they are loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from string import Formatter
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from config.errors import ConfigError
from config.loader import load_struct
from config.schema import AgentFile

SHIPPED_AGENTS = files("config") / "agents"

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# What a greeting or prompt may name in braces.
PLACEHOLDERS = frozenset(
    ("company_name", "company_phone", "company_address", "agent_name", "today", "time", "caller_phone", "caller_name")
)

Span = tuple[int, time, time]  # weekday (0 is Monday), opens, closes


def unknown_placeholders(template: str) -> list[str]:
    """Names in braces that nothing will fill; "{" where the braces do not match."""
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError:
        return ["{"]
    return sorted({name for name in names if name not in PLACEHOLDERS})


def check_template(template: str, *, source: str, key: str) -> None:
    """Raises ConfigError for a placeholder that nothing will fill."""
    unknown = unknown_placeholders(template)
    if unknown:
        known = ", ".join(sorted(PLACEHOLDERS))
        raise ConfigError(f"unknown placeholder {{{unknown[0]}}}; there are: {known}", source=source, key=key)


def parse_hours(hours: Mapping[str, str], *, source: str) -> list[Span]:
    """{"mon": "09:00-12:00, 13:00-18:00"} as spans in order. "closed" and "" are no span. Raises ConfigError."""
    spans: list[Span] = []
    for day, text in hours.items():
        key = f"opening_hours.{day}"
        if day not in WEEKDAYS:
            raise ConfigError(f"no such day; there are: {', '.join(WEEKDAYS)}", source=source, key=key)
        parts = [part.strip() for part in text.split(",") if part.strip() not in ("", "closed")]
        spans += [(WEEKDAYS.index(day), *_span(part, source, key)) for part in parts]
    spans.sort()
    for before, after in pairwise(spans):
        if before[0] == after[0] and after[1] < before[2]:
            key = f"opening_hours.{WEEKDAYS[after[0]]}"
            raise ConfigError("spans overlap", source=source, key=key)
    return spans


def _span(text: str, source: str, key: str) -> tuple[time, time]:
    try:
        opens, closes = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError:
        raise ConfigError(f'"{text}" is not like "09:00-18:00"', source=source, key=key) from None
    if opens >= closes:
        raise ConfigError(f'"{text}" closes before it opens', source=source, key=key)
    return opens, closes


def check_agent(agent: AgentFile, *, source: str) -> None:
    """Raises ConfigError, naming key and reason."""
    try:
        ZoneInfo(agent.company.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = agent.company.timezone
        raise ConfigError(f'no time zone "{zone}"', source=source, key="company.timezone") from None
    check_template(agent.config.greeting, source=source, key="config.greeting")
    check_template(agent.config.prompt, source=source, key="config.prompt")
    parse_hours(agent.opening_hours, source=source)
    names = [service.name.casefold() for service in agent.services]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f'"{name}" stands twice', source=source, key=f"services[{index}].name")


def load_agent(file: Traversable) -> AgentFile:
    """One agent's file, checked. Raises ConfigError with file, key and reason."""
    agent = load_struct(file, AgentFile)
    check_agent(agent, source=str(file))
    return agent


def shipped_agents() -> list[AgentFile]:
    """The agents that come with the package, by id."""
    found = [load_agent(entry) for entry in SHIPPED_AGENTS.iterdir() if entry.name.endswith(".yaml")]
    return sorted(found, key=lambda agent: agent.id)
