"""What an analysis is made from: who said what, what was settled, and how it went, of a call that is over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from pipelines.brain.ports import OpeningHours, Service
from pipelines.brain.tokens import fold, tokens
from voicecore.domain.calendar import Appointment
from voicecore.domain.calls import Call, StoredTurn
from voicecore.services.analysis.words import languages

MOST_UTTERANCES = 200
MOST_CHARACTERS = 1000  # of one utterance
_SPEAKER = re.compile(r"^\s*\[?([^\W\d_][\w .-]{0,40}?)\]?\s*:\s*(.+)$")


class Utterance(msgspec.Struct, frozen=True):
    agent: bool
    text: str


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """`appointments` are those that were made in the call, `callbacks` the reasons of those that were promised in it.
    `party_name`: who it was, as far as anybody knows. `now` is the beginning of the call in the business's own time."""

    call: Call
    turns: Sequence[StoredTurn] = ()
    appointments: Sequence[Appointment] = ()
    callbacks: Sequence[str] = ()
    party_name: str = ""
    language: str = "en"  # of the agent
    services: Sequence[Service] = ()
    hours: Sequence[OpeningHours] = ()
    now: datetime

    def utterances(self) -> list[Utterance]:
        """In order; what the caller heard of the agent. Of calls that others held, the lines of their transcript."""
        said = list(_of_turns(self.turns)) or list(_of_transcript(self.call.transcript))
        return [Utterance(one.agent, one.text[:MOST_CHARACTERS]) for one in said[:MOST_UTTERANCES]]

    def talk_time_ratio(self, said: Sequence[Utterance]) -> float | None:
        """The agent's share of all speech: of the time where both were measured, else of the words."""
        agent = _milliseconds((turn.agent_started_ms, turn.agent_ended_ms) for turn in self.turns)
        caller = _milliseconds((turn.caller_started_ms, turn.caller_ended_ms) for turn in self.turns)
        if not agent or not caller:
            agent = sum(len(one.text.split()) for one in said if one.agent)
            caller = sum(len(one.text.split()) for one in said if not one.agent)
        return round(agent / (agent + caller), 2) if agent + caller else None

    def done(self) -> dict[str, list[dict[str, object]]]:
        """What the agent's tools changed: "booked", "moved", "cancelled" → their results."""
        found: dict[str, list[dict[str, object]]] = {}
        for result in (_result(tool) for turn in self.turns for tool in turn.tools):
            for kind in ("booked", "moved", "cancelled"):
                if isinstance(one := result.get(kind), dict):
                    found.setdefault(kind, []).append(one)
        return found


def _of_turns(turns: Iterable[StoredTurn]) -> Iterable[Utterance]:
    for turn in turns:
        for agent, text in ((False, turn.caller_text), (True, turn.heard_text)):
            if text.strip():
                yield Utterance(agent, text.strip())


def _of_transcript(transcript: str) -> Iterable[Utterance]:
    """ "Customer: …" and "Agent: …", a line each. A line without a name belongs to whoever spoke before."""
    names = {fold(name) for language in languages().values() for name in language.lists.agent_names}
    agent = False
    for line in transcript.splitlines():
        named = _SPEAKER.match(line)
        text = line.strip()
        if named is not None and len(named[1].split()) <= 3:
            agent, text = bool(names & set(tokens(named[1]))), named[2].strip()
        if text:
            yield Utterance(agent, text)


def _milliseconds(spans: Iterable[tuple[float | None, float | None]]) -> float:
    return sum(max(0.0, end - start) for start, end in spans if start is not None and end is not None)


def _result(tool: dict[str, object]) -> dict[str, object]:
    result = tool.get("result")
    if isinstance(result, str):
        try:
            result = msgspec.json.decode(result)
        except msgspec.DecodeError:
            return {}
    return result if isinstance(result, dict) else {}
