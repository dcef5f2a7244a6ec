"""How well, how fast and at what cost the embedded recogniser hears telephone callers: `python -m benchmarks.stt`.

Speaks `data/stt_sentences.yaml` with every voice there is, clean and noisy, through the real engine in its
worker processes. `--json` prints everything as data.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import yaml

from benchmarks.callers import TELEPHONE_HZ, heard, say, telephone, voices
from pipelines.providers.pocketsphinx import Engine
from pipelines.registry import make
from pipelines.speech.decoders import Decoders
from pipelines.stages import Expect, SttOptions

FRAME_BYTES = 320  # 20 ms
_NUMBERS = """zero oh one two three four five six seven eight nine ten eleven twelve fifteen sixteenth fifth third
twenty thirty half quarter past double monday tuesday wednesday thursday friday saturday saturdays sunday tomorrow
noon december march morning afternoon"""
NUMBERS = frozenset(_NUMBERS.split())
SAME = (("a.m.", "a m"), ("p.m.", "p m"), ("check up", "checkup"), ("some time", "sometime"), ("okay", "ok"))


class Score(msgspec.Struct):
    """Word errors, and how many of the words for dates, times and digits came through."""

    errors: int = 0
    words: int = 0
    slots: int = 0
    slots_heard: int = 0
    utterances: int = 0
    exact: int = 0

    def add(self, said: list[str], understood: list[str]) -> None:
        errors = distance(said, understood)
        self.errors += errors
        self.words += len(said)
        self.utterances += 1
        self.exact += errors == 0
        left = list(understood)
        for word in said:
            if word in NUMBERS:
                self.slots += 1
                if word in left:
                    left.remove(word)
                    self.slots_heard += 1

    def row(self) -> dict[str, float | int]:
        return {
            "wer_percent": round(100 * self.errors / max(self.words, 1), 1),
            "exact_percent": round(100 * self.exact / max(self.utterances, 1), 1),
            "slot_words_percent": round(100 * self.slots_heard / max(self.slots, 1), 1),
            "words": self.words,
        }


def normal(text: str) -> list[str]:
    text = text.lower()
    for one, other in SAME:
        text = text.replace(one, other)
    return text.split()


def distance(said: list[str], understood: list[str]) -> int:
    """Levenshtein's, over words."""
    row = list(range(len(understood) + 1))
    for number, word in enumerate(said, 1):
        before, row[0] = row[:], number
        for at, other in enumerate(understood, 1):
            row[at] = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (word != other))
    return row[-1]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def decoder_cost(models: str, count: int = 8) -> dict[str, float]:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    decoders = Decoders(bound=count + 1)
    kept = [decoders.take(models)]  # the first one also loads what they share
    memory, started = resident(), time.process_time()
    kept += [decoders.take(models) for _ in range(count)]
    spent = time.process_time() - started
    return {"make_ms": round(1000 * spent / count, 1), "megabytes": round((resident() - memory) / count / 1e6, 1)}


async def accuracy(engine: Engine, sentences: dict[str, list[str]], conditions: list[float | None]) -> dict[str, Any]:
    """Every voice and condition is one call that says all sentences."""
    tables: dict[str, dict[str, Score]] = {name: defaultdict(Score) for name in ("voice", "class", "condition")}
    wrong: list[dict[str, str]] = []
    audio_s = 0.0
    for voice in voices():
        for snr_db in conditions:
            condition = "clean" if snr_db is None else f"{snr_db:g} dB"
            session = await engine.open(SttOptions())
            for number, (expect, text) in enumerate((e, t) for e, texts in sentences.items() for t in texts):
                pcm = heard(telephone(*say(text, voice), snr_db, seed=number))
                audio_s += len(pcm) / 2 / TELEPHONE_HZ
                session.begin(Expect(expect))
                for at in range(0, len(pcm), FRAME_BYTES):
                    session.feed(pcm[at : at + FRAME_BYTES])
                understood = (await session.flush()).text
                session.end()
                said, got = normal(text), normal(understood)
                for table, key in (("voice", f"{voice} {condition}"), ("class", expect), ("condition", condition)):
                    tables[table][key].add(said, got)
                if said != got:
                    wrong.append({"voice": voice, "condition": condition, "said": text, "understood": understood})
            await session.close()
    rows = {name: {key: score.row() for key, score in table.items()} for name, table in tables.items()}
    return {**rows, "audio_s": round(audio_s, 1), "wrong": wrong}


async def latency(engine: Engine, texts: list[str]) -> dict[str, float]:
    """From the last sample to the final text, with audio that arrives in real time."""
    session = await engine.open(SttOptions())
    waits_ms: list[float] = []
    for text in texts:
        pcm = heard(telephone(*say(text, voices()[0])))
        session.begin()
        started = time.monotonic()
        for number, at in enumerate(range(0, len(pcm), FRAME_BYTES), 1):
            await asyncio.sleep(max(0.0, started + number * 0.02 - time.monotonic()))
            session.feed(pcm[at : at + FRAME_BYTES])
        last = time.monotonic()
        await session.flush()
        waits_ms.append(1000 * (time.monotonic() - last))
        session.end()
    await session.close()
    return {"p50_ms": round(statistics.median(waits_ms), 1), "max_ms": round(max(waits_ms), 1)}


async def measure(paced: int) -> dict[str, Any]:
    sentences = yaml.safe_load(files("benchmarks").joinpath("data/stt_sentences.yaml").read_text("utf-8"))
    started = time.monotonic()
    engine = await make("stt", "pocketsphinx", {"workers": 1}, source="benchmark")
    assert isinstance(engine, Engine)
    boot_s = time.monotonic() - started
    try:
        (worker,) = engine.workers
        assert worker.pid is not None
        spent = cpu_seconds(worker.pid)
        report = await accuracy(engine, sentences, [None, 20.0])
        spent = cpu_seconds(worker.pid) - spent
        report["cpu_s_per_audio_s"] = round(spent / report["audio_s"], 3)
        report["final_text"] = await latency(engine, sentences["anything"][:paced])
        report["decoder"] = decoder_cost(str(await engine.models(())))
        report["boot_s"] = round(boot_s, 2)
    finally:
        await engine.close()
    return report


def show(report: dict[str, Any]) -> None:
    for table in ("voice", "class", "condition"):
        print(f"\n{table:24} word errors   exact   dates, times, digits")
        for key, row in report[table].items():
            errors, exact, slots = row["wer_percent"], row["exact_percent"], row["slot_words_percent"]
            print(f"{key:24} {errors:9.1f} % {exact:6.1f} % {slots:13.1f} %")
    for key in ("cpu_s_per_audio_s", "final_text", "decoder", "boot_s"):
        print(f"{key}: {report[key]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="everything as data, with each misunderstood sentence")
    parser.add_argument("--paced", type=int, default=12, help="utterances spoken in real time, to measure latency")
    arguments = parser.parse_args()
    report = asyncio.run(measure(arguments.paced))
    if arguments.json:
        print(json.dumps(report, indent=1))
    else:
        show(report)


if __name__ == "__main__":
    main()
