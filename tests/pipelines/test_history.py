"""What the model is told was said."""

from __future__ import annotations

from pipelines.history import History
from pipelines.stages import Message, ToolCall

LOOK = ToolCall("1", "look_up", {})
BOOK = ToolCall("2", "book", {})


def history() -> History:
    return History("Be kind.", lambda name: name == "book")


def told(history: History) -> list[tuple[str, str, bool]]:
    return [(m.role, m.content, m.interrupted) for m in history.messages()[1:]]


def said(talk: History, text: str) -> list[Message]:
    """The caller said something; what the reply adds goes into the list returned."""
    added: list[Message] = []
    talk.caller_said(text, added)
    return added


def test_the_prompt_comes_first() -> None:
    assert history().messages() == [Message("system", "Be kind.")]


def test_an_exchange_is_history_once_it_was_heard() -> None:
    talk = history()
    added = said(talk, "Are you open?")
    added.append(Message("assistant", "Yes, until six."))
    assert told(talk) == [("user", "Are you open?", False)]
    talk.agent_said("Yes, until six.", False)
    assert told(talk) == [("user", "Are you open?", False), ("assistant", "Yes, until six.", False)]


def test_what_the_agent_says_unasked_is_history_too() -> None:
    talk = history()
    talk.agent_said("Hello!", False)
    assert told(talk) == [("assistant", "Hello!", False)]


def test_only_what_was_heard_of_an_interrupted_reply() -> None:
    talk = history()
    added = said(talk, "Are you open?")
    added.append(Message("assistant", "Yes, until six. Anything else?"))
    talk.agent_said("Yes, until", True)
    assert told(talk)[1:] == [("assistant", "Yes, until", True)]


def test_a_reply_of_which_nothing_was_heard_leaves_no_trace() -> None:
    talk = history()
    added = said(talk, "Are you open?")
    added.append(Message("assistant", "Yes, until six."))
    talk.agent_said("", True)
    assert told(talk) == [("user", "Are you open?", False)]


def test_a_turn_is_taken_back_only_while_it_is_open() -> None:
    talk = history()
    said(talk, "I would like")
    talk.take_back()
    assert told(talk) == []
    said(talk, "I would like a table")
    talk.agent_said("Fine.", False)
    talk.take_back()
    assert told(talk) == [("user", "I would like a table", False), ("assistant", "Fine.", False)]


def test_only_a_running_side_effect_counts_as_acted() -> None:
    talk = history()
    assert not talk.acted
    added = said(talk, "Book it")
    added.append(Message("assistant", "", (LOOK,)))
    assert not talk.acted
    added.append(Message("assistant", "", (BOOK,)))
    assert talk.acted
    talk.agent_said("", True)
    assert not talk.acted


def test_calls_without_a_result_are_left_out_and_those_with_one_stay() -> None:
    talk = history()
    added = said(talk, "Book it")
    added.append(Message("assistant", "", (LOOK, BOOK)))
    added.append(Message("tool", "{}", tool_call_id="1"))
    talk.agent_said("", True)
    assert [m.tool_calls for m in talk.messages()[2:]] == [(LOOK,), ()]
    added.append(Message("tool", "{}", tool_call_id="2"))  # the side effect outlived the reply
    assert [m.tool_calls for m in talk.messages()[2:]] == [(LOOK, BOOK), (), ()]


def test_a_fixed_text_that_was_heard_is_told_though_no_model_wrote_it() -> None:
    talk = history()
    said(talk, "Hello?")
    talk.agent_said("I am sorry, something went wrong.", False)
    assert told(talk)[1:] == [("assistant", "I am sorry, something went wrong.", False)]
