"""Guessing one account's password, from many addresses too. Each surface limits what one address may try besides.

After too many failures an account takes no password from an address that it never came from; whoever has been there
before is counted by himself, so that nobody can lock somebody else out.
"""

from __future__ import annotations

import hashlib

from pipelines.errors import RateLimited
from voicecore.services.windows import Windows

FAILURES = "100 per hour"  # OWASP ASVS 4.0.3 §2.2.1: at most so many on a single account
NAMESPACE = "login"
STRANGERS = "strangers"


class LoginGuard:
    """`windows` None: nothing is counted."""

    def __init__(self, windows: Windows | None) -> None:
        self._windows = windows

    async def admit(self, email: str, ip: str, *, known: bool) -> None:
        """Before the password is looked at. `known`: the account has come from this address before. Raises
        RateLimited, for accounts that do not exist as well."""
        if self._windows is None:
            return
        count = await self._windows.look(NAMESPACE, FAILURES, *_key(email, ip, known))
        if not count.allowed:
            raise RateLimited(count.retry_after_s)

    async def failed(self, email: str, ip: str, *, known: bool) -> None:
        if self._windows is not None:
            await self._windows.hit(NAMESPACE, FAILURES, *_key(email, ip, known))


def _key(email: str, ip: str, known: bool) -> tuple[str, str]:
    """No e-mail address leaves the process in the clear."""
    return hashlib.sha256(email.encode()).hexdigest(), ip if known else STRANGERS
