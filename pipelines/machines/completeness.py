"""How finished do the words of a caller sound: the text so far and the agent's question in, an `End` out.

Rules over word lists, with no need for punctuation or case, since most streaming recognisers give neither.
It knows no time and no odds: what an end is worth is weighed elsewhere.
"""

from __future__ import annotations

from enum import Enum, auto

from pipelines.machines import dictation
from pipelines.machines.words import WordLists, longest_end, words_of
from pipelines.stages import Expect

SHORT_ANSWER_WORDS = 4  # "yes that is right"
QUESTION_WORDS = 3
BRACKET_WORDS = 5  # "wie lange sie heute haben"


class End(Enum):
    """What the last words are."""

    UNKNOWN = auto()  # no words yet
    PLAIN = auto()  # they can stand alone, and nothing more is known
    CLOSED = auto()  # a farewell, or a phrase that ends a sentence
    ASKED = auto()  # a whole question
    WHOLE = auto()  # a number or an address that is whole
    PERHAPS = auto()  # one that may be whole
    RUNNING = auto()  # in the middle of one whose length nobody knows: an order number, a spelling
    WANTING = auto()  # a verb or an adverb after which more is usual
    HALF = auto()  # half of a pair, a clause without its main one, a bracket without its verb
    PARTIAL = auto()  # a number or an address that lacks something
    OPEN = auto()  # a conjunction, an article, a preposition: the sentence cannot end here
    HESITATING = auto()  # the caller says himself that he is looking for words


UNFINISHED = frozenset({End.PARTIAL, End.OPEN, End.HESITATING})  # certainly so, however much was said before


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
            dictation.Progress.WHOLE: End.WHOLE,
            dictation.Progress.PERHAPS: End.PERHAPS,
            dictation.Progress.RUNNING: End.RUNNING,
            dictation.Progress.PARTIAL: End.PARTIAL,
        }[dictated]
    return _sentence(spoken, text.rstrip(), lists)


def without_lead(words: list[str], lists: WordLists) -> list[str]:
    """The sentence without what may stand before any: "and", "okay", "hello". Never empty when there are words."""
    lead = lists.leading | lists.greeting | lists.short_answer
    start = next((at for at, word in enumerate(words) if word not in lead), len(words) - 1)
    return words[start:]


def _sentence(words: list[str], text: str, lists: WordLists) -> End:
    closed, opened, wanting = (longest_end(words, entries) for entries in (lists.closed, lists.open, lists.wanting))
    opened = max(opened, longest_end(words, lists.introducing))
    core = without_lead(words, lists)
    if words[-1] in lists.subject and not closed:
        wanting = len(core) == 1 or _opens(core[-2], lists) or core[-2] in lists.modal
    if max(opened, wanting) > closed:
        return _stranded(words, core, lists, End.OPEN if opened >= wanting else End.WANTING)
    if text.endswith((",", "-", "…", "...")):
        return End.OPEN
    if closed:
        return End.CLOSED
    if _half_said(core, lists) or _fronted(core, lists) or _day_missing(words, lists):
        return End.HALF
    if text.endswith("?") or (core[0] in lists.question and len(core) >= QUESTION_WORDS):
        return End.ASKED
    return End.PLAIN


def _opens(word: str, lists: WordLists) -> bool:
    return word in lists.open or word in lists.wanting


def _stranded(words: list[str], core: list[str], lists: WordLists, usual: End) -> End:
    """An open ending; but questions may end in a verb or preposition, and so may short answers ("yes it is")."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    verbal = last in lists.stranded_verb or last.endswith("n't")
    if words[0] in lists.short_answer and len(words) <= SHORT_ANSWER_WORDS and before in lists.pronoun and verbal:
        return End.CLOSED
    brackets = lists.subordinator | lists.stranding if lists.subordinator else frozenset()
    if verbal and len(words) >= BRACKET_WORDS and not brackets.isdisjoint(words[:-2]):
        return End.PLAIN  # "ob sie am samstag geöffnet haben"
    if core[0] not in lists.stranding or len(core) < QUESTION_WORDS:
        return usual
    if before in lists.pronoun and verbal and core[-3] not in lists.stranding:
        return End.ASKED  # "what do you | need", not "who are you | calling"
    if before in lists.copula and last in lists.pronoun:
        return End.ASKED  # "who is this"
    return End.PLAIN if last in lists.stranded_preposition else usual


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


def _day_missing(words: list[str], lists: WordLists) -> bool:
    """ "on march" wants its day, "in march" and "the third of march" do not."""
    if not lists.month_first or words[-1] not in lists.month or len(words) < 2:
        return False
    return not (words[-2] in lists.date or words[-2] in lists.digits or words[-2] in lists.before_month)


def _bracket_open(words: list[str], lists: WordLists) -> bool:
    """Does a verb still have to come, in a language that puts it last? "ich möchte einen termin" wants "machen"."""
    opener = max((at for at, word in enumerate(words) if word in lists.modal or word in lists.subordinator), default=-1)
    if opener < 0 or opener == len(words) - 1:
        return False
    return not any(_verb_like(word, lists) for word in words[opener + 1 :])


def _verb_like(word: str, lists: WordLists) -> bool:
    if word in lists.verb:
        return True
    endings = ("en", "ern", "eln", "t", "te")
    return word not in lists.not_verb and not _opens(word, lists) and word.endswith(endings)
