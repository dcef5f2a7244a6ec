"""The lines of a trace: what was written is read, what a crash left of it too, and nothing else."""

from __future__ import annotations

import pytest

from pipelines import trace
from pipelines.audio import TELEPHONE
from pipelines.stages import Expect, Hint, LlmEvent, TextDelta, ToolCall, Usage

OPENED = trace.Opened(
    format=trace.FORMAT,
    agent={"greeting": "Hello."},
    greeting="Hello.",
    prompt_characters=20,
    vad={"provider": "webrtc"},
    engines={"stt": "pocketsphinx"},
    inbound_hz=8000,
    outbound=TELEPHONE,
    has_marks=True,
    ahead_ms=300.0,
)
ENTRIES: list[trace.Entry] = [
    OPENED,
    trace.Running(started_ms=-12.5, tick_ms=80.0),
    trace.Gap(from_ms=100.0, until_ms=140.0),
    trace.Late(from_ms=140.0, late_ms=33.5),
    trace.UtteranceBegan(heard_ms=900.0, expect=Expect.YES_NO),
    trace.PartialRead(heard_ms=1200.0, text="ja, natürlich"),
    trace.Flushed(heard_ms=1300.0, took_ms=42.0, text="yes", words=(("yes", 10.0, 300.0),)),
    trace.Detected(heard_ms=1300.0, took_ms=12.0, probability=0.75),
    trace.Asked(at_ms=1400.0, said="yes", gave=(trace.Gave(at=3.0, text="Fine."),), took_ms=5.0, cut=True),
    trace.ToolUsed(at_ms=1500.0, name="end_call", arguments={}, result="{}", took_ms=0.0),
    trace.Spoke(at_ms=1600.0, text="Fine.", pieces=(trace.Piece(2.0, 800, 40, (("Fine.", 0.0, 90.0),)),), took_ms=2.0),
    trace.MarkBack(at_ms=1800.0, name="g1:100", after_ms=-3.0),
    trace.Cleared(at_ms=1850.0, works=False),
    trace.Key(at_ms=1900.0, digit="#"),
    trace.Goodbye(at_ms=2000.0, reason="server_shutdown"),
    trace.Ended(at_ms=2100.0, reason="caller_hangup"),
    trace.Closed(heard_ms=2100.0),
]


def test_what_was_written_is_read() -> None:
    assert set(trace.AnyEntry.__args__) == {type(entry) for entry in ENTRIES}
    data = b"".join(trace.encode([entry]) for entry in ENTRIES)
    assert data == trace.encode(ENTRIES)
    assert data.count(b"\n") == len(ENTRIES)
    assert trace.decode(data) == ENTRIES


@pytest.mark.parametrize(
    "event",
    [TextDelta(" hello"), Hint(Expect.DATE), Hint(Expect.NUMBER, 6), ToolCall("1", "x", {"a": [1]}), Usage(3, 4, 1)],
)
def test_every_event_of_a_model_comes_back_as_it_was(event: LlmEvent) -> None:
    entry = trace.Asked(at_ms=0.0, said="", gave=(trace.Gave.of(1.5, event),), took_ms=2.0)
    (_, read) = trace.decode(trace.encode([OPENED, entry]))
    assert isinstance(read, trace.Asked)
    assert [(gave.at, gave.event()) for gave in read.gave] == [(1.5, event)]


def test_a_last_line_that_a_crash_cut_off_is_left_out() -> None:
    data = trace.encode(ENTRIES)
    for missing in range(1, 12):
        assert trace.decode(data[:-missing]) == ENTRIES[:-1]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cannot be read|has no beginning"),
        (b"\x00\x01 no trace\n", "cannot be read"),
        (b'{"is":"future"}\n', "cannot be read"),
        (trace.encode(ENTRIES[1:]), "has no beginning"),
        (trace.encode([OPENED]).replace(b'"format":1', b'"format":2'), "has format 2; this version reads 1"),
    ],
)
def test_anything_else_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(trace.TraceDamaged, match=reason):
        trace.decode(data)
