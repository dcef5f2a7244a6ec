"""Is a number, a spelling, an e-mail or a street address being dictated, and is it whole?

A caller who reads something out pauses between its groups, for as long as it takes him to find the next
one; nothing but the count says whether it was the last. It knows words, not time.
"""

from __future__ import annotations

from enum import Enum, auto

from pipelines.machines.words import WordLists, contains, longest_end, made_of
from pipelines.stages import Expect

NUMBER_DIGITS = 3  # digits in a row that are a number to write down, not a quantity…
YEAR_DIGITS = (2, 4)  # …unless they are a year
YEARS = ("18", "19", "20")
BARE_NUMBER_WORDS = 4  # "it's twenty four": the street is still to come, in languages that name it second
DICTATED = frozenset({Expect.PHONE, Expect.EMAIL, Expect.ADDRESS, Expect.NUMBER})
SPELLED = 2  # single letters in a row that are a spelling
TLD_LETTERS = (2, 6)


class Progress(Enum):
    """How far a dictation is."""

    WHOLE = auto()
    PERHAPS = auto()  # it may be whole
    RUNNING = auto()  # its length is unknown
    PARTIAL = auto()  # something is missing


def judge(words: list[str], lists: WordLists, expect: Expect, length: int) -> Progress | None:
    """None: nothing is being dictated at the end of these words. `length`: digits that are expected, 0 unknown."""
    if not words:
        return None
    if (email := _email(words, lists, expect)) is not None:
        return email
    letters = _trailing_letters(words, lists)
    if len(letters) >= SPELLED or (letters and expect is Expect.SPELLING):
        return _spelling(letters, words)
    digits = trailing_digits(words, lists)
    if contains(words, lists.birth) and not lists.month.isdisjoint(words):
        return Progress.PARTIAL if len(digits) < YEAR_DIGITS[0] else Progress.WHOLE
    if digits:
        return _number(digits, words, lists, expect, length)
    if (expect is Expect.ADDRESS or contains(words, lists.address_context)) and not (
        longest_end(words, lists.open) or longest_end(words, lists.wanting)
    ):
        return Progress.RUNNING if lists.digits.keys().isdisjoint(words) else Progress.PERHAPS
    if words[-1] in lists.repeating and (expect in DICTATED or not lists.digits.keys().isdisjoint(words[-2:-1])):
        return Progress.PARTIAL
    if expect in DICTATED and made_of(words, lists.agreeing):
        return Progress.PARTIAL  # "sure": the number is still to come
    return None


# --- numbers --------------------------------------------------------------------------------------


def trailing_digits(words: list[str], lists: WordLists) -> str:
    """The digits that the last words stand for: "double five twenty three" is 5523. Separators are skipped."""
    digits = ""
    unit = ""  # a single digit that a ten before it would swallow
    for word in reversed(words):
        if digits and (word in lists.separators or word in lists.repeating):
            digits = digits[0] * (lists.repeating.get(word, 1) - 1) + digits
            unit = ""
            continue
        group = _digits_of(word, lists)
        if not group:
            break
        ten = len(group) == 2 and group >= "20" and group.endswith("0")
        swallows = ten and unit not in ("", "0") and not lists.unit_before_ten
        digits = (group[0] if swallows else group) + digits
        unit = group if len(group) == 1 else ""
    return digits


def _digits_of(word: str, lists: WordLists) -> str:
    """One word's digits; "" when it is no number."""
    if word in lists.digits:
        return lists.digits[word]
    unit, joint, ten = word.partition(lists.unit_before_ten) if lists.unit_before_ten else ("", "", "")
    if joint and unit in lists.digits and ten in lists.digits:
        return lists.digits[ten][0] + lists.digits[unit]
    written = "".join(c for c in word if c not in "+-/()")
    return written if written.isdecimal() else ""


def _number(digits: str, words: list[str], lists: WordLists, expect: Expect, length: int) -> Progress | None:
    count = len(digits)
    if length:
        return Progress.WHOLE if count >= length else Progress.PARTIAL
    counted = contains(words, lists.number_context) or expect is Expect.NUMBER
    if expect is Expect.PHONE or (not counted and contains(words, lists.phone_context)):
        return _phone(count, lists)
    if expect is Expect.ADDRESS or contains(words, lists.address_context):
        begun = lists.month_first and len(words) <= BARE_NUMBER_WORDS
        return Progress.PARTIAL if begun else Progress.PERHAPS
    year = count == YEAR_DIGITS[1] and digits.startswith(YEARS)
    plain = count < NUMBER_DIGITS or year or _clock(digits, words, lists)
    if plain and not counted:
        return None
    return Progress.WHOLE if count >= lists.phone_digits and not counted else Progress.RUNNING


def _clock(digits: str, words: list[str], lists: WordLists) -> bool:
    """ "three thirty": two words that say a time of day."""
    return len(digits) in (3, 4) and (len(words) < 3 or words[-3] not in lists.digits)


def _phone(count: int, lists: WordLists) -> Progress:
    if count >= lists.phone_digits:
        return Progress.WHOLE
    return Progress.RUNNING if count >= lists.phone_shortest else Progress.PARTIAL


# --- letters --------------------------------------------------------------------------------------


def _trailing_letters(words: list[str], lists: WordLists) -> list[str]:
    """The letters at the end, first one first; "m as in mike" is one."""
    letters: list[str] = []
    at = len(words) - 1
    while at >= 0:
        word = words[at]
        for width in (1, 2):
            joined = " ".join(words[max(0, at - width) : at])
            if joined in lists.as_in and at > width:
                at -= width + 1
                word = words[at]
                break
        if len(word) == 1 and word.isalpha():
            letters.append(word)
        elif word in lists.letters:
            letters.append(word[0])
        else:
            break
        at -= 1
    return letters[::-1]


def _spelling(letters: list[str], words: list[str]) -> Progress:
    """A word that was said before and is spelled now is over with its last letter."""
    said = len(letters) >= SPELLED and "".join(letters) in words
    return Progress.WHOLE if said else Progress.RUNNING


# --- addresses ------------------------------------------------------------------------------------


def _email(words: list[str], lists: WordLists, expect: Expect) -> Progress | None:
    begun = expect is Expect.EMAIL or contains(words, lists.email_context)
    dictated = not (lists.email_dot.isdisjoint(words) or lists.email_at.isdisjoint(words))
    written = next((word for word in reversed(words) if "@" in word), "")
    if written:
        return Progress.WHOLE if "." in written.partition("@")[2] else Progress.PARTIAL
    if not (begun or dictated):
        return None
    if len(words) < 4 or words[-2] not in lists.email_dot or lists.email_at.isdisjoint(words[:-2]):
        return Progress.PARTIAL
    if words[-1] in lists.email_half:
        return Progress.PERHAPS
    return Progress.WHOLE if TLD_LETTERS[0] <= len(words[-1]) <= TLD_LETTERS[1] else Progress.PARTIAL
