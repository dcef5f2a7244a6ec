"""What we say was heard is what a carrier's buffer played, whatever is done in between: a model of such a buffer."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio import TELEPHONE, to_pcm16
from pipelines.clock import CallClock
from pipelines.mouth import Mouth
from pipelines.stages import Word

STEP_MS = 5
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORD_MS = 230


def voice(first: int, count: int) -> bytes:
    """Audio of some words in which every 5 ms tell where they are, and never sound like silence."""
    steps = range(first * WORD_MS // STEP_MS, (first + count) * WORD_MS // STEP_MS)
    return b"".join(bytes([0x80 + step % 40, step % 40 // 2]) * 20 for step in steps)


ALL = voice(0, len(WORDS))


class Time:
    """A pacer's clock, and nothing else of it."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> float:
        return float(self.ms)


class Carrier:
    """An `Outlet` with a buffer behind a network. Marks after a clear are returned, dropped or tagged, as told."""

    audio_format = TELEPHONE

    def __init__(self, time: Time, marks: str, *, clears: bool, network_ms: int, hold_ms: int = 0) -> None:
        self.time = time
        self.has_marks = marks != "none"
        self.mouth: Mouth
        self.played = b""
        self._after_clear = marks
        self._clears = clears
        self._network_ms = network_ms
        self._hold_ms = hold_ms
        self._coming: deque[tuple[int, str, bytes]] = deque()
        self._going: deque[tuple[int, str]] = deque()
        self._buffer = b""
        self._begins_ms = 0  # it plays what comes into an empty buffer only then
        self._marks: list[tuple[int, str]] = []  # bytes before it, name

    def _send(self, what: str, data: bytes = b"") -> None:
        self._coming.append((self.time.ms + self._network_ms, what, data))

    def send_audio(self, audio: bytes) -> None:
        self._send("audio", audio)

    def send_mark(self, name: str) -> None:
        self._send("mark", name.encode())

    def send_clear(self) -> bool:
        if self._clears:
            self._send("clear")
        return self._clears

    def send_transcript(self, role: str, text: str) -> None: ...

    def hang_up(self) -> None: ...

    def step(self) -> None:
        """The next 5 ms."""
        while self._coming and self._coming[0][0] <= self.time.ms:
            self._take(*self._coming.popleft()[1:])
        if self.time.ms >= self._begins_ms:
            size = STEP_MS * 8
            self.played, self._buffer = self.played + self._buffer[:size], self._buffer[size:]
            self._marks = [(left - size, name) for left, name in self._marks]
        self.time.ms += STEP_MS
        while self._marks and self._marks[0][0] <= 0:
            self._return(self._marks.pop(0)[1])
        while self._going and self._going[0][0] <= self.time.ms:
            self.mouth.mark_returned(self._going.popleft()[1])

    def _take(self, what: str, data: bytes) -> None:
        if what == "audio":
            if not self._buffer:
                self._begins_ms = self.time.ms + self._hold_ms
            self._buffer += data
        elif what == "mark":
            if self._buffer:
                self._marks.append((len(self._buffer), data.decode()))
            else:
                self._return(data.decode())
        else:
            self._buffer = b""
            if self._after_clear == "returned":
                for _, name in self._marks:
                    self._return(name)
            self._marks.clear()  # a dialect that tags them says "cleared": that is no mark that was reached

    def _return(self, name: str) -> None:
        self._going.append((self.time.ms + self._network_ms, name))


class Tape:
    """What the recording would hold of the agent, in 5 ms steps of call time."""

    def __init__(self) -> None:
        self._pieces: dict[float, bytes] = {}

    def caller(self, at_ms: float, pcm: bytes) -> None: ...

    def agent(self, at_ms: float, pcm: bytes) -> None:
        for at in range(0, len(pcm), STEP_MS * 16):
            self._pieces[at_ms + at / 16] = pcm[at : at + STEP_MS * 16]

    def erase_agent_after(self, at_ms: float) -> None:
        self._pieces = {at: pcm for at, pcm in self._pieces.items() if at < at_ms}

    @property
    def agents(self) -> bytes:
        return b"".join(pcm for _, pcm in sorted(self._pieces.items()))


class Stage:
    """One reply, made word by word."""

    def __init__(self, marks: str, *, clears: bool = True, network_ms: int = 0, hold_ms: int = 0) -> None:
        self.time = Time()
        self.tape = Tape()
        self.carrier = Carrier(self.time, marks, clears=clears, network_ms=network_ms, hold_ms=hold_ms)
        clock = CallClock()
        clock.begin(0.0)
        self.mouth = self.carrier.mouth = Mouth(self.carrier, self.tape, self.time, clock, 300.0)  # type: ignore[arg-type]
        self.generation = self.mouth.begin()
        self.words = 0
        self.pass_ms(2 * network_ms + 20)

    def feed(self, count: int, *, timed: bool = True) -> None:
        first, count = self.words, min(count, len(WORDS) - self.words)
        if not count:
            return
        self.words += count
        self.mouth.playout.open_text(self.generation, " ".join(WORDS[first : first + count]))
        told = tuple(Word(WORDS[first + i], i * WORD_MS, (i + 1) * WORD_MS) for i in range(count))
        self.mouth.feed(self.generation, voice(first, count), told if timed else ())
        if self.words == len(WORDS):
            self.mouth.complete(self.generation)

    def pass_ms(self, ms: int) -> None:
        until = self.time.ms + ms
        while self.time.ms < until:
            if self.time.ms % 20 == 0:
                self.mouth.tick(self.time.now_ms())
            self.carrier.step()

    @property
    def played_text(self) -> str:
        """The words half of which were played, by the carrier's own buffer."""
        played_ms = len(self.carrier.played) / 8
        return " ".join(word for at, word in enumerate(WORDS) if (at + 0.5) * WORD_MS <= played_ms)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["feed", "feed", "pause", "hush", "resume", "resume"]),
        st.sampled_from([0, 20, 40, 100, 260, 700]),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(
    actions=ACTIONS,
    marks=st.sampled_from(["returned", "dropped", "tagged", "none"]),
    clears=st.booleans(),
    network_ms=st.sampled_from([0, 35, 110]),
    timed=st.booleans(),
    last_ms=st.integers(0, 100).map(lambda n: n * 20),
)
def test_heard_is_what_the_carrier_played(
    actions: list[tuple[str, int]], marks: str, clears: bool, network_ms: int, timed: bool, last_ms: int
) -> None:
    stage = Stage(marks, clears=clears, network_ms=network_ms)
    texts = [""]
    for action, ms in [("feed", 20), *actions, ("resume", last_ms)]:
        if action == "feed":
            stage.feed(2, timed=timed)
        else:
            getattr(stage.mouth, action)()
        stage.pass_ms(ms)
        texts.append(stage.mouth.heard_text(stage.time.now_ms()))
    heard, _ = stage.mouth.cancel()
    texts.append(heard)
    stage.pass_ms(1000)  # whatever was not cleared is played
    assert all(after.startswith(before) for before, after in pairwise(texts))
    assert ALL.startswith(stage.carrier.played.rstrip(b"\xff"))  # nothing lost, nothing twice
    if timed or stage.words == len(WORDS):
        assert heard == stage.played_text
    assert stage.played_text.startswith(heard)  # of a text whose end is not made yet, rather too little
    assert heard in " ".join(WORDS[: stage.words])
    assert stage.tape.agents == to_pcm16(stage.carrier.played, TELEPHONE.codec)


@pytest.mark.parametrize("marks", ["returned", "dropped", "tagged"])
@pytest.mark.parametrize("hold_ms", [60, 120, 300])
def test_marks_tell_how_long_a_carrier_holds_audio_back(marks: str, hold_ms: int) -> None:
    stage = Stage(marks, network_ms=50, hold_ms=hold_ms)
    stage.feed(len(WORDS))
    stage.pass_ms(1500)
    for _ in range(3):  # false alarms in between
        stage.mouth.hush()
        stage.pass_ms(400)
        stage.mouth.resume()
        stage.pass_ms(60)
    heard, _ = stage.mouth.cancel()
    stage.pass_ms(1000)
    assert heard == stage.played_text
    assert ALL.startswith(stage.carrier.played)
    assert stage.tape.agents == to_pcm16(stage.carrier.played, TELEPHONE.codec)


@pytest.mark.parametrize("hold_ms", [60, 120])
def test_without_marks_the_clock_is_right_but_for_what_the_carrier_holds_back(hold_ms: int) -> None:
    stage = Stage("none", network_ms=50, hold_ms=hold_ms)
    stage.feed(len(WORDS))
    stage.pass_ms(1500)
    believed_ms = stage.mouth.playout.line.heard_ms(stage.time.now_ms())
    stage.mouth.cancel()
    stage.pass_ms(1000)
    assert believed_ms - len(stage.carrier.played) / 8 == hold_ms  # below 150


def test_a_line_that_cannot_be_cleared_is_heard_out() -> None:
    stage = Stage("none", clears=False)
    stage.feed(len(WORDS))
    stage.pass_ms(1000)
    heard, ended_ms = stage.mouth.cancel()
    sent_until_ms = ended_ms
    assert 1220 <= sent_until_ms <= 1320
    stage.pass_ms(1000)
    assert heard == stage.played_text


def test_the_end_of_a_reply_is_not_cut_for_a_moments_silence() -> None:
    stage = Stage("returned")
    stage.feed(len(WORDS))
    stage.pass_ms(len(WORDS) * WORD_MS - 250)
    stage.mouth.pause()
    stage.mouth.hush()
    stage.pass_ms(400)
    assert stage.carrier.played == ALL
