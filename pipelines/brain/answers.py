"""What an utterance means after each kind of question: one function per question, and one for open turns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time

from pipelines.brain.booking import apply_slots, choose_offer, clear_field, take
from pipelines.brain.changes import choose_target
from pipelines.brain.closing import goodbye, put_through
from pipelines.brain.enquiries import look_up
from pipelines.brain.lexicon import Intent, lexicon
from pipelines.brain.routing import advance, begin, missed, ordered
from pipelines.brain.settling import no_offer_suits
from pipelines.brain.state import Ask, Desk, Flow
from pipelines.brain.understanding import Answer, Heard

_TASKS = (Intent.MOVE, Intent.CANCEL, Intent.LOOKUP, Intent.HOURS, Intent.ORDER, Intent.SERVICES, Intent.BOOK)
_LONGEST_WAIT = 6  # words of "hang on a moment please"; in a longer utterance "moment" was something else
_SOUNDS_LIKE_BYE = (("by",), ("buy",), ("bye",), ("by", "now"))


def respond(desk: Desk, heard: Heard) -> None:
    """Takes one understood utterance into the state and decides what follows."""
    if not heard.words:
        missed(desk, silent=True)
    elif not _anytime(desk, heard):
        _ANSWERS.get(desk.state.ask, open_turn)(desk, heard)


def _anytime(desk: Desk, heard: Heard) -> bool:
    """Wishes that count whatever was asked: repeat, wait, a human being, goodbye."""
    state = desk.state
    waits = heard.means(Intent.WAIT) and heard.when.empty and len(heard.words) <= _LONGEST_WAIT
    if heard.fills_slots and not waits and state.ask is not Ask.MORE and not heard.means(Intent.HUMAN):
        return False
    again = heard.means(Intent.REPEAT) and heard.answer is Answer.UNCLEAR
    if state.last_text and (again or heard.words in lexicon(desk.language).pardon):
        desk.speak(state.last_text)
        desk.ask(state.ask)
    elif waits:
        desk.ask(state.ask, "take_your_time")
    elif heard.means(Intent.HUMAN) and state.ask not in (Ask.CALLBACK, Ask.NAME):
        put_through(desk, heard.text)
    elif _says_goodbye(desk, heard):
        goodbye(desk)
    else:
        return False
    return True


def _says_goodbye(desk: Desk, heard: Heard) -> bool:
    if heard.words in _SOUNDS_LIKE_BYE:
        return True
    agreeing = heard.answer is Answer.YES and desk.state.ask in (Ask.CONFIRM, Ask.OFFER, Ask.CALLBACK)
    return heard.means(Intent.GOODBYE) and not agreeing and _task(desk, heard) is None


def _task(desk: Desk, heard: Heard) -> Intent | None:
    """The task that the words ask for most clearly."""
    usable = [t for t in _TASKS if t is not Intent.ORDER or desk.facts.get("order_taking")]
    wanted = [t for t in usable if heard.means(t)]
    wanted = [t for t in wanted if t in (Intent.MOVE, Intent.CANCEL)] or wanted  # "my appointment" is in both
    return max(wanted, key=lambda t: (heard.intents[t], -_TASKS.index(t)), default=None)


# --- open turns -----------------------------------------------------------------------------------


def open_turn(desk: Desk, heard: Heard) -> None:
    """Nothing particular was asked: a task, a question, or small talk."""
    state = desk.state
    task = _task(desk, heard)
    if task is None and (heard.when.soonest or _names_a_slot(heard)):
        task = Intent.BOOK
    searchable = "search_knowledge" in desk.tools
    own = task in (Intent.HOURS, Intent.LOOKUP)  # no article knows these better
    if task is not None and (own or heard.request or not heard.question or not searchable):
        begin(desk, task, heard)
    elif heard.question and searchable:
        look_up(desk, heard.text, task.value if task else "")
    elif heard.answer is Answer.NO and state.ask is Ask.MORE:
        goodbye(desk)
    elif heard.answer is Answer.YES and len(heard.words) <= 4:
        desk.ask(Ask.NOTHING, "sure_what")
    elif heard.means(Intent.THANKS):
        _thanked(desk)
    elif heard.means(Intent.GREETING) and len(heard.words) <= 5:
        desk.ask(Ask.NOTHING, "hello")
    elif searchable and len(heard.words) > 0:
        look_up(desk, heard.text)
    else:
        missed(desk)


def _names_a_slot(heard: Heard) -> bool:
    """A service, or a day and a time, told to a receptionist is a wish to come."""
    exact = heard.when.day is not None and heard.when.clock is not None
    return (bool(heard.service) or exact) and (not heard.question or heard.request)


def _thanked(desk: Desk) -> None:
    if desk.state.ask is Ask.MORE:
        goodbye(desk)
    else:
        desk.ask(Ask.MORE, "welcome")


def _drop(desk: Desk) -> None:
    desk.state.forget_task()
    desk.ask(Ask.MORE, "dropped")


def _aborts(heard: Heard) -> bool:
    return (heard.means(Intent.ABORT) or heard.means(Intent.CANCEL)) and not heard.fills_slots


# --- while a task is under way --------------------------------------------------------------------


def _otherwise(desk: Desk, heard: Heard) -> None:
    """The answer fits nothing that was asked: another wish, a question in between, or not understood."""
    task = _task(desk, heard)
    if task in (Intent.HOURS, Intent.SERVICES):
        begin(desk, task, heard)
    elif heard.question and "search_knowledge" in desk.tools:
        look_up(desk, heard.text)
    elif task is not None and task.value != desk.state.flow.value:
        begin(desk, task, heard)
    else:
        missed(desk)


def _asks_what_is_free(desk: Desk, heard: Heard) -> bool:
    asked = desk.state.ask in (Ask.TIME, Ask.DAY, Ask.DAY_TIME) and heard.question and not heard.fills_slots
    return asked and any(w in lexicon(desk.language).what_is_free for w in heard.words)


def _slot(desk: Desk, heard: Heard) -> None:
    state = desk.state
    if heard.means(Intent.HOURS) and heard.question:
        begin(desk, Intent.HOURS, heard)
    elif _asks_what_is_free(desk, heard):
        desk.state.after, desk.state.before = time.min, time.max  # any time: leads to offers
        advance(desk)
    elif apply_slots(desk, heard):
        advance(desk)
    elif _aborts(heard):
        _drop(desk)
    elif state.ask is Ask.NAME and state.flow is Flow.BOOK and state.misses and desk.caller_phone:
        state.nameless, state.misses = True, 0  # asked twice: the number says who it is, too
        advance(desk)
    else:
        _otherwise(desk, heard)


def _offered(desk: Desk, heard: Heard) -> None:
    chosen = choose_offer(desk, heard)
    if chosen is not None:
        take(desk, chosen)
        if heard.name:
            desk.state.name = heard.name
        advance(desk)
    elif apply_slots(desk, heard):
        advance(desk)
    elif _aborts(heard):
        _drop(desk)
    elif heard.neither or heard.answer is Answer.NO:
        no_offer_suits(desk)
    elif heard.answer is Answer.YES:
        advance(desk)
    else:
        _otherwise(desk, heard)


def _confirm(desk: Desk, heard: Heard) -> None:
    """The only place where a yes leads to a deed."""
    state = desk.state
    if state.flow in (Flow.BOOK, Flow.MOVE) and apply_slots(desk, heard):
        advance(desk)
    elif heard.answer is Answer.YES:
        state.confirmed = state.told
        advance(desk)
    elif _aborts(heard) and state.flow is not Flow.CANCEL:
        _drop(desk)
    elif heard.answer is Answer.NO:
        _refused(desk, heard)
    elif heard.field and state.flow is Flow.BOOK:
        clear_field(state, heard.field)
        advance(desk)
    else:
        _otherwise(desk, heard)


def _refused(desk: Desk, heard: Heard) -> None:
    state = desk.state
    state.told = False
    if state.flow is Flow.CANCEL:
        state.forget_task()
        desk.ask(Ask.MORE, "kept")
    elif state.flow is Flow.ORDER:
        state.reason = ""
        advance(desk)
    elif heard.field:
        clear_field(state, heard.field)
        advance(desk)
    elif heard.means(Intent.THANKS):
        _drop(desk)
    else:
        desk.ask(Ask.CHANGE, "ask_which_field")


def _change(desk: Desk, heard: Heard) -> None:
    if apply_slots(desk, heard):
        desk.state.ask = Ask.NOTHING
        advance(desk)
    elif heard.field:
        clear_field(desk.state, heard.field)
        advance(desk)
    elif _aborts(heard) or (heard.answer is Answer.NO and _is_plain_no(heard)):
        _drop(desk)
    elif heard.answer is Answer.YES:
        desk.state.ask = Ask.NOTHING
        advance(desk)
    else:
        _otherwise(desk, heard)


def _is_plain_no(heard: Heard) -> bool:
    """Not the beginning of a correction that was lost."""
    return len(heard.words) <= 2 or heard.means(Intent.THANKS)


def _which(desk: Desk, heard: Heard) -> None:
    if choose_target(desk, heard):
        advance(desk)
    elif _aborts(heard) or heard.neither:
        _drop(desk)
    else:
        _otherwise(desk, heard)


def _callback(desk: Desk, heard: Heard) -> None:
    state = desk.state
    if heard.phone:
        state.phone = heard.phone
    if heard.answer is Answer.YES or heard.phone or heard.words == ("please",) or heard.means(Intent.HUMAN):
        state.confirmed = True
        advance(desk)
    elif _task(desk, heard) is not None:
        state.forget_task()
        state.ask = Ask.NOTHING
        open_turn(desk, heard)
    elif heard.answer is Answer.NO:
        state.forget_task()
        desk.say("callback_refused")
        desk.ask(Ask.NOTHING, "how_can_i_help")
    else:
        missed(desk)


def _order(desk: Desk, heard: Heard) -> None:
    if _aborts(heard):
        _drop(desk)
    else:
        desk.state.reason = ordered(heard)
        advance(desk)


_ANSWERS: dict[Ask, Callable[[Desk, Heard], None]] = {
    Ask.SERVICE: _slot,
    Ask.DAY: _slot,
    Ask.TIME: _slot,
    Ask.DAY_TIME: _slot,
    Ask.NAME: _slot,
    Ask.PHONE: _slot,
    Ask.OFFER: _offered,
    Ask.CONFIRM: _confirm,
    Ask.CHANGE: _change,
    Ask.WHICH: _which,
    Ask.CALLBACK: _callback,
    Ask.ORDER: _order,
}
