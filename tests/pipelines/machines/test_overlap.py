"""Somebody is heard over the agent: evidence in, steps out."""

from __future__ import annotations

import pytest

from config.schema import TurnPolicy
from pipelines.machines.overlap import (
    DOUBT_MS,
    DURATION_FACTOR,
    LEAST_MS,
    NOTHING_ASKED,
    PHRASE_MS,
    RESUME_AFTER_MS,
    YIELD_MS,
    Asked,
    Evidence,
    Overlap,
    Play,
    Step,
)
from pipelines.machines.words import word_lists
from pipelines.stages import Expect

POLICY = TurnPolicy()
LONG_MS = float(POLICY.barge_in_ms)
QUESTION = Asked(question=True, rest_ms=1500.0)


def overlap(asked: Asked = NOTHING_ASKED, expect: Expect = Expect.ANYTHING, language: str = "en") -> Overlap:
    return Overlap(POLICY, word_lists(language), Play.PAUSED, asked, expect)


def voice(strong_ms: float, text: str = "", silence_ms: float = 0.0) -> Evidence:
    return Evidence(speech_ms=strong_ms, strong_ms=strong_ms, silence_ms=silence_ms, text=text)


def test_a_voice_is_given_room_before_it_is_judged() -> None:
    one = overlap()
    assert one.judge(voice(YIELD_MS - 20)) is None
    assert one.judge(voice(YIELD_MS)) is Step.HUSH
    assert one.judge(voice(YIELD_MS + 20)) is None
    assert one.play is Play.HUSHED


def test_a_sound_that_is_no_such_voice_is_talked_over_until_it_becomes_one() -> None:
    one = overlap()
    assert one.judge(Evidence(speech_ms=DOUBT_MS - 20, strong_ms=40.0)) is None
    assert one.judge(Evidence(speech_ms=DOUBT_MS, strong_ms=40.0)) is Step.PLAY_ON
    assert one.judge(Evidence(speech_ms=900.0, strong_ms=40.0, text="come here now")) is None
    assert one.judge(Evidence(speech_ms=1000.0, strong_ms=YIELD_MS)) is Step.HUSH


@pytest.mark.parametrize(
    ("strong_ms", "text", "reason"),
    [
        (PHRASE_MS, "stop that", "words"),
        (LONG_MS, "no", "words"),
        (DURATION_FACTOR * LONG_MS, "", "duration"),
        (DURATION_FACTOR * LONG_MS, "okay", "duration"),
    ],
)
def test_evidence_gives_way_and_less_does_not(strong_ms: float, text: str, reason: str) -> None:
    one = overlap()
    assert one.judge(voice(YIELD_MS)) is Step.HUSH
    assert one.judge(voice(strong_ms - 20, text)) is None
    assert one.judge(voice(strong_ms, text)) is Step.GIVE_WAY
    assert one.reason == reason


@pytest.mark.parametrize("text", ["mhm", "okay", "Okay, okay.", "uh huh", "I see", "um", ""])
def test_a_backchannel_is_over_after_a_short_silence(text: str) -> None:
    one = overlap()
    one.judge(voice(200.0))
    one.understood(text)
    assert one.judge(voice(300.0, text, RESUME_AFTER_MS - 20)) is None
    assert one.judge(voice(300.0, text, RESUME_AFTER_MS)) is Step.KEEP
    assert one.reason == ("backchannel" if text else "no words")


def test_who_goes_on_after_a_backchannel_is_not_talked_over() -> None:
    one = overlap()
    one.judge(voice(200.0))
    one.understood("okay")
    one.resumed()
    assert one.judge(voice(220.0, "okay", RESUME_AFTER_MS)) is None
    assert one.judge(voice(320.0, "okay and when")) is Step.GIVE_WAY


def test_words_of_a_pause_give_way_at_once() -> None:
    one = overlap()
    one.judge(voice(160.0))
    one.understood("eleven")
    assert one.judge(voice(160.0, "", 200.0)) is Step.GIVE_WAY
    assert one.reason == "words"


@pytest.mark.parametrize("reason", ["echo", "aside", ""])
def test_words_of_a_sound_without_weight_count_for_nothing(reason: str) -> None:
    one = overlap()
    weak = Evidence(speech_ms=2000.0, strong_ms=LEAST_MS - 20, silence_ms=500.0, text="no not now", reason=reason)
    assert one.final("no not now darling", weak) is Step.KEEP
    assert one.reason == (reason or "noise")


@pytest.mark.parametrize(
    ("asked", "expect", "text", "step"),
    [
        (QUESTION, Expect.YES_NO, "okay", Step.GIVE_WAY),
        (QUESTION, Expect.YES_NO, "yes", Step.GIVE_WAY),
        (QUESTION, Expect.YES_NO, "mhm", Step.KEEP),
        (QUESTION, Expect.ANYTHING, "okay", Step.KEEP),  # to what? there is more to come
        (Asked(question=True, rest_ms=300.0), Expect.ANYTHING, "okay", Step.GIVE_WAY),
        (QUESTION, Expect.DATE, "right", Step.KEEP),
        (NOTHING_ASKED, Expect.YES_NO, "okay", Step.KEEP),  # the question is still to come
        (NOTHING_ASKED, Expect.ANYTHING, "stop", Step.GIVE_WAY),
    ],
)
def test_short_words_are_answers_when_a_question_is_being_asked(
    asked: Asked, expect: Expect, text: str, step: Step
) -> None:
    assert overlap(asked, expect).final(text, voice(300.0)) is step


def test_german_backchannels() -> None:
    assert overlap(language="de").final("ach so, genau", voice(500.0)) is Step.KEEP
    assert overlap(language="de").final("nein danke", voice(500.0)) is Step.GIVE_WAY
