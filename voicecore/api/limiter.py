"""Requests by (surface, class, subject), in fixed windows as the documents' headers describe them."""

from __future__ import annotations

import msgspec

from voicecore.services.windows import Count, Windows

Allowance = Count


def limit_headers(allowance: Allowance) -> dict[str, str]:
    """The three headers that most documents show."""
    return {
        "X-RateLimit-Limit": str(allowance.limit),
        "X-RateLimit-Remaining": str(allowance.remaining),
        "X-RateLimit-Reset": str(allowance.reset_at),
    }


class Limiter:
    """`relaxed` counts and tells, and refuses nobody. `windows`: where is counted, by default in this process."""

    def __init__(self, *, relaxed: bool = False, windows: Windows | None = None) -> None:
        self.relaxed = relaxed
        self._windows = windows or Windows()

    async def hit(self, surface: str, limit_class: str, rate: str, subject: str) -> Allowance | None:
        """Count one request against a rate like "10 per hour". None when there is none ("")."""
        if not rate:
            return None
        counted = await self._windows.hit(surface, rate, limit_class, subject)
        return msgspec.structs.replace(counted, allowed=True) if self.relaxed else counted
