"""What ends or rescues a dialogue: anything else, goodbye, a call-back, an order passed on."""

from __future__ import annotations

from pipelines.brain.state import Ask, Desk, Flow


def anything_else(desk: Desk) -> None:
    """The task is done; the next answer is open."""
    desk.state.forget_task()
    desk.ask(Ask.MORE, "anything_else")


def goodbye(desk: Desk) -> None:
    unfinished = desk.state.flow in (Flow.BOOK, Flow.MOVE, Flow.CANCEL)
    desk.state.forget_task()
    desk.state.ask = Ask.NOTHING
    desk.say("goodbye_unbooked" if unfinished else "goodbye")
    if "end_call" in desk.tools:
        desk.call("end_call", {})


def offer_callback(desk: Desk, reason: str = "") -> None:
    """Asks whether somebody shall call back; without the tool, there is only a question to rephrase."""
    reason = reason or desk.state.reason
    desk.state.forget_task()
    if "request_callback" not in desk.tools:
        desk.ask(Ask.NOTHING, "rephrase_plain")
        return
    desk.state.flow, desk.state.reason = Flow.CALLBACK, reason
    desk.ask(Ask.CALLBACK, "offer_callback")


def put_through(desk: Desk, reason: str) -> None:
    """To a human being, where the agent may; else he calls back."""
    if "transfer_call" in desk.tools:
        desk.state.reason = reason
        desk.call("transfer_call", {"reason": reason[:500]})
    else:
        not_put_through(desk, reason)


def not_put_through(desk: Desk, reason: str) -> None:
    desk.say("no_transfer")
    offer_callback(desk, reason)


def advance_callback(desk: Desk, variant: int = 0) -> None:
    """Collects the number where it is not known, then asks for the call-back."""
    state = desk.state
    if not state.confirmed:
        desk.ask(Ask.CALLBACK, "offer_callback", variant)
    elif not desk.caller_phone:
        desk.ask(Ask.PHONE, "ask_phone", variant)
    else:
        arguments = {"customer_name": state.name, "customer_phone": desk.caller_phone, "reason": state.reason}
        desk.call("request_callback", arguments)


def advance_order(desk: Desk, variant: int = 0) -> None:
    """Notes an order in the caller's words; a colleague confirms it."""
    state = desk.state
    if not state.reason:
        desk.ask(Ask.ORDER, "ask_order", variant)
    elif not state.confirmed:
        if not (variant == 1 and state.told):
            desk.say("readback_order", order=state.reason)
            state.essential, state.told = state.outcome.text, False
        desk.ask(Ask.CONFIRM, "shall_order", variant)
    elif not desk.caller_phone:
        desk.ask(Ask.PHONE, "ask_phone", variant)
    else:
        order = {"customer_name": state.name, "customer_phone": desk.caller_phone}
        desk.call("request_callback", {**order, "reason": f"Order: {state.reason}"})
