"""One engine of a call dies, in every way and at every moment of a turn: how long does the caller hear nothing?

Whole simulated calls in virtual time, with a second engine standing by. It measures what was heard, not what was meant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import structlog

from pipelines.simulation.call import Outcome, World, simulate_all
from pipelines.simulation.death import Death, How
from pipelines.simulation.engines import Delays
from pipelines.simulation.script import FRAME_BYTES, RATE_HZ, Clip, Kind, Move, Script
from pipelines.stages import Word

STAGES = ("stt", "llm", "tts")
REPLY = "Of course, I can help you with that. We are open until six today. What day would suit you best?"
QUESTION = "could you please book a table for me"
WORD_MS = 200.0
PAUSE_MS = 40.0
# As of clouds; slow writing, so that there are many moments in the middle of an answer.
DELAYS = Delays(stt_final_ms=250.0, llm_first_token_ms=400.0, llm_word_ms=60.0, tts_first_audio_ms=200.0)
FIRST_MS, LAST_MS, STEP_MS = -300.0, 3900.0, 100.0  # moments of death, from the last sample of the caller's speech


def question() -> Clip:
    """Every word is a voiced buzz of 200 ms over the hiss of a line, so that the real detector hears speech."""
    seconds = np.arange(int(WORD_MS * RATE_HZ / 1000)) / RATE_HZ
    sound = sum(np.sin(2 * np.pi * 140 * n * seconds) / n for n in range(2, 20))
    sound = sound * np.sin(np.pi * np.arange(len(seconds)) / len(seconds)) ** 0.3
    sound = sound * (4000.0 / np.sqrt(np.mean(sound**2)))
    words = []
    for number, word in enumerate(QUESTION.split()):
        start_ms = 40.0 + number * (WORD_MS + PAUSE_MS)
        words.append(Word(word, start_ms, start_ms + WORD_MS))
    samples = -(-round((words[-1].end_ms + 60.0) * RATE_HZ / 1000) * 2 // FRAME_BYTES) * FRAME_BYTES // 2
    line = np.random.default_rng(3).normal(0, 16.0, samples)
    for spoken in words:
        start = round(spoken.start_ms * RATE_HZ / 1000)
        line[start : start + len(sound)] += sound
    return Clip(line.astype("<i2").tobytes(), ((words[0].start_ms, words[-1].end_ms),), tuple(words))


def script() -> Script:
    hiss = np.random.default_rng(7).normal(0, 16.0, 2 * RATE_HZ).astype("<i2").tobytes()
    return Script("death", (Move(Kind.TURN, question(), reply=REPLY),), room=hiss, patience_ms=12_000.0)


def deaths(ends_ms: float) -> Iterator[Death]:
    """`ends_ms`: the caller's last sample."""
    for stage in STAGES:
        for how in How:
            for after_ms in np.arange(FIRST_MS, LAST_MS, STEP_MS):
                yield Death(stage, how, ends_ms + float(after_ms))


def silence_ms(outcome: Outcome) -> float:
    """The longest wait for the agent's next sound, from the caller's last sample to the agent's last one."""
    ends_ms = outcome.done[0].end_ms
    heard = [(start, end) for start, end in outcome.phone.voice(1.0) if end > ends_ms]
    gaps = [start - end for (_, end), (start, _) in pairwise([(0.0, ends_ms), *heard])]
    return max(gaps, default=outcome.length_ms - ends_ms)


def answered(outcome: Outcome) -> bool:
    """The whole answer was heard, and nothing had to be excused."""
    return bool(outcome.turns) and outcome.turns[-1].heard_text == REPLY


def _measure() -> dict[str, Any]:
    call = script()
    (sound,) = simulate_all([call], World(delays=DELAYS))
    silences: dict[Death, float] = {}
    complete = 0
    for death in deaths(sound.done[0].end_ms):
        (outcome,) = simulate_all([call], World(delays=DELAYS, death=death))
        assert outcome.open_requests == 0, f"{death} left a request open"
        silences[death] = silence_ms(outcome)
        complete += answered(outcome)
    worst = max(silences, key=lambda death: silences[death])
    return {
        "failover_silence_max_s": round(silences[worst] / 1000, 3),
        "failover_silence_p95_s": round(float(np.percentile(list(silences.values()), 95)) / 1000, 3),
        "failover_silence_without_s": round(silence_ms(sound) / 1000, 3),
        "failover_worst": f"{worst.stage} {worst.how} {worst.at_ms - sound.done[0].end_ms:+.0f} ms",
        "failover_answered_share": round(complete / len(silences), 3),
        "failover_calls": len(silences),
    }


async def measure() -> dict[str, Any]:
    """In a thread: a simulated call brings its own loop. Keys are refused there, and that is not worth an error."""
    with structlog.testing.capture_logs():
        return await asyncio.to_thread(_measure)
