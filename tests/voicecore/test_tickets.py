"""Media tokens: ours, in time, once."""

from __future__ import annotations

import pytest

from pipelines.errors import AuthenticationError
from voicecore.calling import Ticket
from voicecore.fellows import Alone
from voicecore.tickets import LIFETIME_S, Tickets

TICKET = Ticket(call_sid="CA1", agent_id="dental", from_number="+49 30", to_number="+1")


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tickets(clock: Clock, secret: bytes = b"secret") -> Tickets:
    return Tickets(secret, Alone(), clock)


def test_what_was_issued_comes_back_once(clock: Clock) -> None:
    made = tickets(clock)
    token = made.issue(TICKET)
    assert token.isascii()
    assert not set(token) & set("/+=?&%")
    assert made.redeem(token) == TICKET
    with pytest.raises(AuthenticationError, match="used before"):
        made.redeem(token)


def test_every_ring_of_one_call_has_its_own_token(clock: Clock) -> None:
    made = tickets(clock)
    first, second = made.issue(TICKET), made.issue(TICKET)
    assert made.redeem(first) == made.redeem(second) == TICKET


def test_another_process_with_the_secret_takes_it(clock: Clock) -> None:
    assert tickets(clock).redeem(tickets(clock).issue(TICKET)) == TICKET
    with pytest.raises(AuthenticationError, match="not ours"):
        tickets(clock, b"other").redeem(tickets(clock).issue(TICKET))


def test_it_expires(clock: Clock) -> None:
    made = tickets(clock)
    late, in_time = made.issue(TICKET), made.issue(TICKET)
    clock.now_s += LIFETIME_S
    assert made.redeem(in_time) == TICKET
    clock.now_s += 1
    with pytest.raises(AuthenticationError, match="expired"):
        made.redeem(late)


def test_used_ones_are_remembered_no_longer_than_they_would_be_good(clock: Clock) -> None:
    made = tickets(clock)
    for _ in range(50):
        made.redeem(made.issue(TICKET))
    clock.now_s += LIFETIME_S + 1
    made.redeem(made.issue(TICKET))
    assert len(made._used) == 1


def test_a_changed_token_is_refused(clock: Clock) -> None:
    made = tickets(clock)
    token = made.issue(TICKET)
    for at in range(0, len(token) - 1, 7):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(AuthenticationError):
            made.redeem(changed)
    for nonsense in ("", "a", "\ufffd", "====", token[:20], "A" * 10_000):
        with pytest.raises(AuthenticationError):
            made.redeem(nonsense)
    assert made.redeem(token) == TICKET


@pytest.mark.parametrize("spelling", ["{}=", "{}!", "{}=="])
def test_another_spelling_of_a_used_token_is_used_too(clock: Clock, spelling: str) -> None:
    made = tickets(clock)
    token = made.issue(TICKET)
    made.redeem(token)
    with pytest.raises(AuthenticationError):
        made.redeem(spelling.format(token))
