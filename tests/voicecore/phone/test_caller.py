"""A caller against a scripted line, in virtual time: one call of `next` is 20 ms."""

from phone_counterpart import SILENT, tone_ulaw

from voicecore.phone.caller import Caller, Manners, Saying, State
from voicecore.phone.clips import make_clip
from voicecore.phone.noise import Noise

TONE = tone_ulaw(20)
CLIP = make_clip(tone_ulaw(100), "hello")  # 5 frames


def run(caller: Caller, *heard: tuple[bytes, int]) -> list[Saying | None]:
    """Let the caller hear frames, each repeated."""
    return [caller.next(frame) for frame, count in heard for _ in range(count)]


def speaking(sayings: list[Saying | None]) -> list[int]:
    return [at for at, saying in enumerate(sayings) if saying is not None and saying.audio != SILENT]


def test_speaks_when_the_greeting_has_been_silent_for_the_pause() -> None:
    caller = Caller((CLIP,), Manners(answer_pause_ms=100))
    said = run(caller, (SILENT, 10), (TONE, 20), (SILENT, 20))
    assert speaking(said) == [34, 35, 36, 37, 38]  # last audible frame 29, + 100 ms
    assert caller.utterances == [(34 * 160, 39 * 160 - 1)]


def test_a_pause_inside_the_greeting_does_not_count() -> None:
    caller = Caller((CLIP,), Manners(answer_pause_ms=100))
    said = run(caller, (TONE, 5), (SILENT, 4), (TONE, 5), (SILENT, 4))
    assert speaking(said) == []


def test_without_a_greeting_it_speaks_at_the_deadline() -> None:
    assert speaking(run(Caller((CLIP,), Manners(greeting_timeout_ms=400)), (SILENT, 30)))[0] == 20
    assert speaking(run(Caller((CLIP,), Manners(greeting_timeout_ms=0)), (SILENT, 30)))[0] == 0


def test_hangs_up_after_the_last_answer() -> None:
    caller = Caller((CLIP,), Manners(greeting_timeout_ms=0, answer_pause_ms=100))
    said = run(caller, (SILENT, 5), (SILENT, 10), (TONE, 10), (SILENT, 10))
    assert said.index(None) == 5 + 10 + 9 + 5
    assert caller.state is State.DONE
    assert caller.next(TONE) is None


def test_an_unanswered_caller_goes_on_and_hangs_up_in_the_end() -> None:
    caller = Caller((CLIP, CLIP), Manners(greeting_timeout_ms=0, answer_timeout_ms=200))
    said = run(caller, (SILENT, 40))
    assert speaking(said) == [0, 1, 2, 3, 4, 15, 16, 17, 18, 19]
    assert said.index(None) == 30


def test_barges_into_answers_but_not_into_the_greeting() -> None:
    caller = Caller((CLIP, CLIP), Manners(answer_pause_ms=100, barge_in_ms=200))
    said = run(caller, (TONE, 30), (SILENT, 4), (SILENT, 5), (TONE, 30))
    assert speaking(said)[:5] == [34, 35, 36, 37, 38]
    assert speaking(said)[5] == 39 + 10


def test_does_not_barge_into_the_last_answer() -> None:
    caller = Caller((CLIP,), Manners(greeting_timeout_ms=0, answer_pause_ms=100, barge_in_ms=100))
    said = run(caller, (SILENT, 5), (TONE, 30), (SILENT, 10))
    assert said.index(None) == 5 + 29 + 5


def test_an_agent_that_never_stops_is_talked_over() -> None:
    caller = Caller((CLIP, CLIP), Manners(greeting_timeout_ms=0, answer_limit_ms=300))
    assert speaking(run(caller, (SILENT, 5), (TONE, 60)))[5] == 5 + 15


def test_noise_is_on_the_line_all_the_time_and_the_utterance_stays_where_it_was() -> None:
    caller = Caller((CLIP,), Manners(greeting_timeout_ms=100), Noise(9000, 20))
    said = run(caller, (SILENT, 12))
    assert speaking(said) == list(range(12))
    assert caller.utterances == [(5 * 160, 10 * 160 - 1)]
