"""How finished do the words of a caller sound: the text so far and the agent's question in, an `End` out.

Rules over word lists, with no need for punctuation or case, since most streaming recognisers give neither.
It knows no time: how long to wait at which end is decided elsewhere.
"""

from __future__ import annotations

from enum import Enum, auto

from pipelines.machines import dictation
from pipelines.machines.words import Entries, WordLists, longest_end, made_of, words_of
from pipelines.stages import Expect

SHORT_ANSWER_WORDS = 4  # "yes that is right"
QUESTION_WORDS = 3
BRACKET_WORDS = 5  # "wie lange sie heute haben"
LONG_WORDS = 7  # the longer a sentence that could be over is, the more likely it is


class End(Enum):
    """What the last words are, from the surest end of a turn to the surest middle of one."""

    CLOSED = auto()  # a farewell, the answer that was asked for, a number that is whole
    ASKED = auto()  # a whole question
    COMPLETE = auto()  # a sentence that can stand alone
    LEANING = auto()  # it can stand alone, but often more follows
    UNKNOWN = auto()  # no words yet
    LISTING = auto()  # in the middle of something whose length nobody knows: an order number, a spelling
    OPEN = auto()  # the sentence, the number or the address cannot end here
    HESITATING = auto()  # the caller says himself that he is looking for words


def judge(text: str, lists: WordLists, expect: Expect = Expect.ANYTHING, length: int = 0) -> End:
    """The end of `text` as an answer to a question for `expect`; `length`: digits of the number asked for, or 0."""
    words = words_of(text)
    if not words:
        return End.UNKNOWN
    if longest_end(words, lists.hesitation):
        return End.HESITATING
    spoken = [word for word in words if word not in lists.hesitation]
    dictated = dictation.judge(spoken, lists, expect, length)
    if dictated is not None:
        return {
            dictation.Progress.WHOLE: End.CLOSED,
            dictation.Progress.PERHAPS: End.LEANING,
            dictation.Progress.RUNNING: End.LISTING,
            dictation.Progress.PARTIAL: End.OPEN,
        }[dictated]
    return _sentence(spoken, text.rstrip(), lists, expect)


def _sentence(words: list[str], text: str, lists: WordLists, expect: Expect) -> End:
    closed, opened = longest_end(words, lists.closed), longest_end(words, lists.open)
    core = _without_lead(words, lists)
    if words[-1] in lists.subject and not closed:
        opened = len(core) == 1 or core[-2] in lists.open or core[-2] in lists.modal
    if opened > closed:
        return _stranded(words, core, lists)
    if text.endswith((",", "-", "…", "...")):
        return End.OPEN
    if closed:
        return End.CLOSED
    if (answer := _answer(words, lists, expect)) is not None:
        return answer
    if _half_said(core, lists):
        return End.OPEN
    if _fronted(core, lists):
        return End.OPEN
    if made_of(words, lists.greeting) and not made_of(words, lists.short_answer):
        return End.LISTING
    if text.endswith("?") or (core[0] in lists.question and len(core) >= QUESTION_WORDS):
        return End.ASKED
    return End.COMPLETE if _rounded(words, core, text, lists, expect) else End.LEANING


def _rounded(words: list[str], core: list[str], text: str, lists: WordLists, expect: Expect) -> bool:
    """A sentence to which little can be added: an answer, a long one, or one that says when."""
    if text.endswith((".", "!")):
        return True
    if words[0] in lists.short_answer and len(words) <= SHORT_ANSWER_WORDS:
        return True
    if expect is Expect.SERVICE or len(core) >= LONG_WORDS:
        return True
    if len(core) > 1 and core[-1] in lists.digits and core[-2] in lists.before_time:
        return True
    return any(word in lists.date or word in lists.time or word in lists.month for word in core[-2:])


def _without_lead(words: list[str], lists: WordLists) -> list[str]:
    """The sentence without what may stand before any: "and", "okay", "hello". Never empty."""
    lead = lists.leading | lists.greeting | lists.short_answer
    start = next((at for at, word in enumerate(words) if word not in lead), len(words) - 1)
    return words[start:]


def _stranded(words: list[str], core: list[str], lists: WordLists) -> End:
    """An open ending; but questions may end in a verb or preposition, and so may short answers ("yes it is")."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    verbal = last in lists.stranded_verb or last.endswith("n't")
    if words[0] in lists.short_answer and len(words) <= SHORT_ANSWER_WORDS and before in lists.pronoun and verbal:
        return End.COMPLETE
    brackets = lists.subordinator | lists.stranding if lists.subordinator else frozenset()
    if verbal and len(words) >= BRACKET_WORDS and not brackets.isdisjoint(words[:-2]):
        return End.COMPLETE  # "ob sie am samstag geöffnet haben"
    if core[0] not in lists.stranding or len(core) < QUESTION_WORDS:
        return End.OPEN
    if before in lists.pronoun and verbal and core[-3] not in lists.stranding:
        return End.ASKED  # "what do you | need", not "who are you | calling"
    if before in lists.copula and last in lists.pronoun:
        return End.ASKED  # "who is this"
    return End.LEANING if last in lists.stranded_preposition else End.OPEN


def _half_said(words: list[str], lists: WordLists) -> bool:
    """Does the other half of a pair still have to come: "either tuesday", or a verb?"""
    for first, second in lists.paired.items():
        if first in words and second not in words[words.index(first) :]:
            return True
    return _bracket_open(words, lists)


def _fronted(words: list[str], lists: WordLists) -> bool:
    """Only a subordinate clause: "if you have anything earlier"? The main one brings a second subject."""
    if words[0] not in lists.fronting or (len(words) > 1 and words[1] in lists.question):
        return False
    subjects = sum(word in lists.pronoun for word in words)
    return subjects == 1 and lists.stranding.isdisjoint(words[1:])


def _answer(words: list[str], lists: WordLists, expect: Expect) -> End | None:
    """Words that cannot be judged but as an answer to what was asked."""
    dated = any(word in lists.date or word in lists.month for word in words)
    timed = any(word in lists.time for word in words) or words[-1] in lists.digits
    if expect is Expect.YES_NO and words[0] in lists.short_answer:
        return End.CLOSED if len(words) <= SHORT_ANSWER_WORDS else End.COMPLETE
    if expect in (Expect.DATE, Expect.DATE_TIME) and not dated and not lists.vague_date.isdisjoint(words):
        return End.LEANING
    if expect is Expect.DATE and dated:
        return End.CLOSED
    if expect is Expect.TIME and timed:
        return End.CLOSED
    if expect is Expect.DATE_TIME and (dated or timed):
        return End.CLOSED if dated and timed else End.LEANING
    if expect is Expect.NAME:
        named = _after(words, lists.introducing | lists.naming) or words
        return End.COMPLETE if len(named) >= 2 else End.LEANING
    if expect is Expect.ANYTHING and len(_after(words, lists.introducing)) in (1, 2):
        return End.LEANING  # who calls, and then what for
    if lists.month_first and words[-1] in lists.month and len(words) > 1:
        return _day_said(words, lists)
    return None


def _day_said(words: list[str], lists: WordLists) -> End | None:
    """ "on march" wants its day, "in march" and "the third of march" do not."""
    said = words[-2] in lists.date or words[-2] in lists.digits or words[-2] in lists.before_month
    return None if said else End.OPEN


def _after(words: list[str], entries: Entries) -> list[str]:
    """What follows the last of these entries; nothing when none stands there."""
    for at in range(len(words) - 1, 0, -1):
        if longest_end(words[:at], entries):
            return words[at:]
    return []


def _bracket_open(words: list[str], lists: WordLists) -> bool:
    """Does a verb still have to come, in a language that puts it last? "ich möchte einen termin" wants "machen"."""
    opener = max((at for at, word in enumerate(words) if word in lists.modal or word in lists.subordinator), default=-1)
    if opener < 0 or opener == len(words) - 1:
        return False
    return not any(_verb_like(word, lists) for word in words[opener + 1 :])


def _verb_like(word: str, lists: WordLists) -> bool:
    if word in lists.verb:
        return True
    return word not in lists.not_verb and word not in lists.open and word.endswith(("en", "ern", "eln", "t", "te"))
