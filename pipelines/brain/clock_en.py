"""English rules for times of day, one function a kind; each looks at the tokens from an index on."""

from __future__ import annotations

from datetime import date, time

from pipelines.brain.moments import (
    AFTERNOON,
    EVENING,
    MORNING,
    ClockMention,
    Found,
    Half,
    PartMention,
    Relation,
    SoonestMention,
    Tokens,
)
from pipelines.brain.numbers import HOMOPHONES, TEN, Number, number_at
from pipelines.brain.tokens import word_list

_RELATIONS = {
    "after": Relation.AFTER,
    "from": Relation.AFTER,
    "past": Relation.AFTER,
    "before": Relation.BEFORE,
    "until": Relation.BEFORE,
    "till": Relation.BEFORE,
    "by": Relation.BEFORE,
}
_AFTER_HOUR = ("pm", "am", "oclock", "thirty", "fifteen")
_MINUTES_SAID = {5, 10, 15, 20, 25}
# "The first one" picks something; it is no time.
_BEFORE_ONE = frozenset(word_list("the first second third last later earlier other another that this which next"))


def _at(words: Tokens, index: int) -> str:
    return words[index] if 0 <= index < len(words) else ""


def time_at(words: Tokens, index: int, today: date, bare: bool) -> Found | None:
    """What starts at `index`, if it says a time. `bare`: a time was asked for, so a number alone is one."""
    return _part(words, index) or _clock(words, index, bare)


def _part(words: Tokens, index: int) -> Found | None:
    two, three = tuple(words[index : index + 2]), tuple(words[index : index + 3])
    if two in (("first", "thing"), ("right", "away")) or words[index] in ("soonest", "earliest", "asap"):
        return SoonestMention(), len(two) if two[0] in ("first", "right") else 1
    if three in (("as", "soon", "as"), ("next", "available", "appointment"), ("first", "available", "appointment")):
        return SoonestMention(), 3
    if two in (("next", "available"), ("first", "available"), ("any", "time"), ("next", "free")):
        return None if words[index] == "any" and _at(words, index + 2) in _RELATIONS else (SoonestMention(), 2)
    if words[index] in ("anytime", "whenever") and _at(words, index + 1) not in _RELATIONS:
        return SoonestMention(), 1
    spans: dict[str, PartMention] = {
        "morning": MORNING,
        "mornings": MORNING,
        "afternoon": AFTERNOON,
        "afternoons": AFTERNOON,
        "evening": EVENING,
        "lunchtime": PartMention(time(12), time(14), Half.PM),
    }
    at = index
    while _at(words, at) in ("in", "the", "late", "early"):
        at += 1
    if _at(words, at) in spans:
        return spans[words[at]], at + 1 - index
    if words[index] == "tonight":
        return EVENING, 1
    return None


def _clock(words: Tokens, index: int, bare: bool) -> Found | None:
    at, relation, introduced = index, Relation.AT, False
    if words[at] == "past" and _at(words, at - 1) in ("half", "quarter"):
        return None
    while _at(words, at) in ("at", "around", "about", "any", "time", "anytime", "a", "between", *_RELATIONS):
        word = words[at]
        if word in ("any", "time", "anytime", "a") and _at(words, at + 1) not in (*_RELATIONS, "time"):
            return None
        relation = Relation.AFTER if word == "between" else _RELATIONS.get(word, relation)
        introduced = introduced or word not in ("any", "time", "anytime", "a")
        at += 1
    if not introduced and at > index:
        return None
    found = _named(words, at, relation) or _spoken_fraction(words, at, relation, introduced)
    found = found or _numeric(words, at, relation, introduced or bare)
    if found is None:
        return None
    mention, end = found
    return mention, end - index


def _named(words: Tokens, at: int, relation: Relation) -> tuple[ClockMention, int] | None:
    if _at(words, at) in ("noon", "midday", "noontime"):
        return ClockMention(12, 0, Half.PM, relation), at + 1
    if _at(words, at) == "twelve" and _at(words, at + 1) in ("noon", "midday"):
        return ClockMention(12, 0, Half.PM, relation), at + 2
    if _at(words, at) == "midnight":
        return ClockMention(12, 0, Half.AM, relation), at + 1
    return None


def _hour(words: Tokens, at: int, sure: bool) -> Number | None:
    number = number_at(words, at)
    if number is not None:
        return number if number.value <= 24 and not number.ordinal else None
    after = _at(words, at + 1)
    if _at(words, at) in TEN and (after in _AFTER_HOUR or (after == "" and _at(words, at - 1) in ("past", "to"))):
        return Number(10, 1)
    if _at(words, at) in HOMOPHONES and (sure or after in _AFTER_HOUR):
        certain = after in _AFTER_HOUR or after == ""
        return Number(HOMOPHONES[words[at]], 1) if certain else None
    return None


def _spoken_fraction(words: Tokens, at: int, relation: Relation, introduced: bool) -> tuple[ClockMention, int] | None:
    """ "Half past three", "a quarter to four", "ten past nine", "twenty five to two"."""
    start = at + 1 if _at(words, at) == "a" else at
    word = _at(words, start)
    number = number_at(words, start)
    minutes = {"half": 30, "quarter": 15}.get(word)
    end = start + 1
    if minutes is None and number is not None and number.value in _MINUTES_SAID and not number.ordinal:
        minutes, end = number.value, start + number.length
        end += _at(words, end) in ("minute", "minutes")
    if minutes is None:
        return None
    link = _at(words, end)
    hour = _hour(words, end + 1, sure=True)
    if hour is None or hour.value == 0 or hour.value > 23:
        return None
    if link in ("past", "after") or (word == "half" and link == "pass"):
        value, minute = hour.value, minutes
    elif link in ("to", "till", "before", "of", "two", "too") and minutes != 30:
        if relation is Relation.AFTER:  # "from ten to four" is a range
            return None
        value, minute = (hour.value - 1) or 12, 60 - minutes
    else:
        return None
    return _with_half(words, end + 1 + hour.length, value, minute, relation)


def _numeric(words: Tokens, at: int, relation: Relation, sure: bool) -> tuple[ClockMention, int] | None:
    """ "3:30 pm", "three thirty", "three oh five", "four p m", "four o'clock", and "four" where `sure`."""
    word = _at(words, at)
    if ":" in word or ("." in word and word.count(".") == 1 and (sure or _at(words, at + 1) in ("pm", "am"))):
        hour, _, minute = word.replace(".", ":").partition(":")
        if hour.isdecimal() and minute.isdecimal() and int(hour) <= 24 and int(minute) < 60:
            return _with_half(words, at + 1, int(hour), int(minute), relation)
        return None
    number = _hour(words, at, sure)
    if number is None:
        return None
    end = at + number.length
    minutes, length = 0, 0
    if _at(words, end) in ("oh", "o", "zero") and (unit := number_at(words, end + 1)) and unit.value < 10:
        minutes, length = unit.value, 2
    elif (second := number_at(words, end)) and 10 <= second.value < 60 and not second.ordinal:
        minutes, length = second.value, second.length
    end += length
    oclock = _at(words, end) in ("oclock", "hundred")
    end += oclock
    found = _with_half(words, end, number.value, minutes, relation)
    if words[at] == "one" and end == at + 1 and _at(words, at - 1) in _BEFORE_ONE:
        return None
    if found[0].half is None and (not (sure or oclock or length) or _is_count(words, end)):
        return None
    return found


def _is_count(words: Tokens, end: int) -> bool:
    return _at(words, end) in (
        "people", "persons", "minute", "minutes", "days", "weeks", "hours", "times", "moment", "second", "more", "of"
    )  # fmt: skip


def _with_half(words: Tokens, end: int, hour: int, minute: int, relation: Relation) -> tuple[ClockMention, int]:
    end += _at(words, end) == "oclock"
    half = None
    if _at(words, end) in ("am", "pm"):
        half, end = Half(words[end]), end + 1
    elif tuple(words[end:]) in (("i", "am"), ("i'm",)):  # how a recogniser hears "a.m." at the end
        half, end = Half.AM, len(words)
    elif tuple(words[end : end + 3]) in (("in", "the", "morning"), ("in", "the", "afternoon")):
        half, end = (Half.AM if words[end + 2] == "morning" else Half.PM), end + 3
    elif tuple(words[end : end + 3]) == ("in", "the", "evening") or tuple(words[end : end + 2]) == ("at", "night"):
        half, end = Half.PM, end + (3 if words[end] == "in" else 2)
    if half is None and _at(words, end) == "sharp":
        end += 1
    return ClockMention(hour, minute, half, relation), end
