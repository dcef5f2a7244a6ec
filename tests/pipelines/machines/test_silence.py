"""Deadlines of silence, as values in and out."""

from __future__ import annotations

from config.schema import CallLimits, TurnPolicy
from pipelines.machines.silence import FILLER_AFTER_MS, FILLER_MS, NOTICE_MS, Silence


def silence(*, unexplained_ms: int = 2500, caller_s: int = 8, reprompts: int = 2) -> Silence:
    policy = TurnPolicy(unexplained_silence_ms=unexplained_ms)
    return Silence(policy, CallLimits(caller_silence_s=caller_s, max_reprompts=reprompts))


def due(quiet: Silence, now_ms: float) -> bool:
    return quiet.filler_due(now_ms, 0.0, at_voice=False)


def test_a_filler_is_audible_within_the_patience_that_counts_from_the_last_word() -> None:
    quiet = silence(unexplained_ms=2500)
    quiet.thinking(10_900.0, caller_ended_ms=10_000.0)
    assert not due(quiet, 12_499.0 - FILLER_MS - NOTICE_MS)
    assert due(quiet, 12_500.0 - FILLER_MS - NOTICE_MS)


def test_what_is_being_made_gets_a_little_longer() -> None:
    quiet = silence(unexplained_ms=2500)
    quiet.thinking(10_900.0, caller_ended_ms=10_000.0)
    assert not quiet.filler_due(12_499.0 - NOTICE_MS, 0.0, at_voice=True)
    assert quiet.filler_due(12_500.0 - NOTICE_MS, 0.0, at_voice=True)


def test_after_something_was_heard_the_patience_counts_from_there() -> None:
    quiet = silence(unexplained_ms=2500)
    quiet.thinking(10_900.0, caller_ended_ms=10_000.0)
    heard_ms = 14_000.0
    assert not quiet.filler_due(heard_ms + 2499.0 - FILLER_MS - NOTICE_MS, heard_ms, at_voice=False)
    assert quiet.filler_due(heard_ms + 2500.0 - FILLER_MS - NOTICE_MS, heard_ms, at_voice=False)


def test_after_a_long_wait_thinking_has_a_moment_all_the_same() -> None:
    quiet = silence(unexplained_ms=2500)
    quiet.thinking(13_000.0, caller_ended_ms=10_000.0)
    assert not due(quiet, 12_999.0 + FILLER_AFTER_MS)
    assert due(quiet, 13_000.0 + FILLER_AFTER_MS)


def test_who_pressed_keys_waits_from_then_on() -> None:
    quiet = silence(unexplained_ms=2500)
    quiet.thinking(10_000.0, caller_ended_ms=None)
    assert not due(quiet, 12_499.0 - FILLER_MS - NOTICE_MS)
    assert due(quiet, 12_500.0 - FILLER_MS - NOTICE_MS)


def test_a_fixed_text_is_waited_for_from_then_on() -> None:
    quiet = silence()
    quiet.thinking(1000.0, caller_ended_ms=500.0)
    quiet.speaking_unasked(10_000.0)
    assert not due(quiet, 12_499.0 - FILLER_MS - NOTICE_MS)
    assert due(quiet, 12_500.0 - FILLER_MS - NOTICE_MS)


def test_the_caller_is_silent_since_something_was_last_heard() -> None:
    quiet = silence(caller_s=8)
    quiet.quiet_since(5000.0)
    assert not quiet.caller_silent(13_000.0)
    assert quiet.caller_silent(13_001.0)


def test_asking_again_is_limited_until_the_caller_speaks() -> None:
    quiet = silence(caller_s=8, reprompts=2)
    assert quiet.ask_again(9000.0)
    assert not quiet.caller_silent(17_000.0)  # the question starts the silence anew
    assert quiet.ask_again(18_000.0)
    assert not quiet.ask_again(27_000.0)
    assert quiet.reprompts == 2
    quiet.caller_spoke()
    assert quiet.ask_again(40_000.0)
