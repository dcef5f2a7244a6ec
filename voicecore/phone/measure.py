"""How long a caller waited, from recorded audio alone: no marks, no events, no server.

Response latency runs from the caller's last audible sample to the agent's first audible sample after it;
what counts as audible stands in `levels.py`. The agent's figures are as the caller hears them, so they
include the carrier's play-out clock (0 to 20 ms) and the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipelines.audio import Samples
from voicecore.phone.levels import FAINT_RMS, Span, audible_spans

SAMPLES_PER_MS = 8


class MeasuredTurn(msgspec.Struct, frozen=True, omit_defaults=False):
    """One utterance of the caller and what followed it, in milliseconds of the recording."""

    spoke_from_ms: float
    spoke_to_ms: float
    answered: bool
    latency_ms: float | None  # negative: the agent began while the caller was still speaking, and kept on
    answer_from_ms: float | None
    answer_to_ms: float | None
    interrupted_agent: bool  # the caller began while the agent was audible
    agent_stopped_after_ms: float | None  # how long the agent went on then

    @property
    def answer_ms(self) -> float | None:
        if self.answer_from_ms is None or self.answer_to_ms is None:
            return None
        return self.answer_to_ms - self.answer_from_ms


def measure_turns(utterances: Sequence[Span], heard: bytes | Samples) -> list[MeasuredTurn]:
    """`utterances`: first and last audible sample of each, in order; `heard`: the agent as heard, PCM16."""
    if not utterances:
        return []
    agent = audible_spans(heard, threshold=FAINT_RMS)
    ends = [following[0] for following in utterances[1:]]
    until = [*ends, len(heard) // 2 if isinstance(heard, bytes) else len(heard)]
    return [_measure(utterance, end, agent) for utterance, end in zip(utterances, until, strict=True)]


def measure_recording(caller: Samples, heard: Samples) -> list[MeasuredTurn]:
    """The same with the utterances found by ear: sounds of the caller belong together until the agent begins.

    A pause in which the agent began, however shortly, splits; a backchannel counts as an utterance.
    """
    starts = [first for first, _ in audible_spans(heard, threshold=FAINT_RMS)]
    utterances: list[Span] = []
    for first, last in audible_spans(caller):
        if utterances and not any(utterances[-1][1] < start < first for start in starts):
            utterances[-1] = (utterances[-1][0], last)
        else:
            utterances.append((first, last))
    return measure_turns(utterances, heard)


def _measure(utterance: Span, until: int, agent: Sequence[Span]) -> MeasuredTurn:
    first, last = utterance
    going_on = next((span for span in agent if span[0] < first <= span[1]), None)
    after = [span for span in agent if last < span[0] < until]
    during = [span for span in agent if first <= span[0] <= last < span[1]]
    answer = during + after
    started = answer[0][0] if answer else None
    return MeasuredTurn(
        spoke_from_ms=first / SAMPLES_PER_MS,
        spoke_to_ms=last / SAMPLES_PER_MS,
        answered=started is not None,
        latency_ms=(started - last) / SAMPLES_PER_MS if started is not None else None,
        answer_from_ms=started / SAMPLES_PER_MS if started is not None else None,
        answer_to_ms=answer[-1][1] / SAMPLES_PER_MS if answer else None,
        interrupted_agent=going_on is not None,
        agent_stopped_after_ms=(going_on[1] - first) / SAMPLES_PER_MS if going_on is not None else None,
    )
