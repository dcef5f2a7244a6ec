"""Call time: milliseconds since the first sample of the caller's audio, counted in samples.

Samples tell *where* something is in the call; a monotonic clock is needed only for what the agent
does between two frames. `CallClock` joins the two: the frame that arrived with the least delay anchors
call time to the monotonic clock, so late frames and bursts never move it.
"""

from __future__ import annotations

from collections.abc import Callable

WINDOW_MS = 30_000.0  # drift between the carrier's crystal and ours: 100 ppm is 3 ms in this time

LATE_MS = (20.0, 40.0, 60.0, 100.0, 200.0)
TOLD_MS = 5.0  # a little late is not late, but moves what is decided with the frame


class CallClock:
    """Monotonic time → call time, by the minimum-delay rule that NTP's clock filter uses (RFC 5905 §10)."""

    __slots__ = (
        "_candidate",
        "_last_origin",
        "_origin",
        "_provisional",
        "_window_ends",
        "jitter_ms",
        "late_over",
        "on_late",
        "worst_late_ms",
    )

    def __init__(self) -> None:
        self._origin: float | None = None  # monotonic time of call time 0
        self._provisional = True  # no audio has come yet
        self._candidate = 0.0  # least origin seen in the current window
        self._window_ends = 0.0
        self._last_origin = 0.0
        # Is told the end of every frame that came later than TOLD_MS, and how late it was.
        self.on_late: Callable[[float, float], None] | None = None
        self.late_over = [0] * len(LATE_MS)  # frames later than each of LATE_MS, against the best
        self.worst_late_ms = 0.0
        self.jitter_ms = 0.0  # of arrival, as RFC 3550 §6.4.1 smooths it

    @property
    def started(self) -> bool:
        return self._origin is not None

    def begin(self, now_ms: float) -> None:
        """The call was answered; the first audio will say more exactly when call time began."""
        if self._origin is None:
            self._origin = now_ms

    def arrived(self, end_ms: float, now_ms: float) -> float:
        """Audio up to `end_ms` of call time arrived at `now_ms` (monotonic); returns its lateness, >= 0."""
        origin = now_ms - end_ms
        if self._provisional:
            self._provisional = False
            self._origin = self._candidate = origin
            self._window_ends = now_ms + WINDOW_MS
            self._last_origin = origin
            return 0.0
        jitter = self.jitter_ms
        self.jitter_ms = jitter + (abs(origin - self._last_origin) - jitter) / 16.0
        self._last_origin = origin
        best = self._origin
        assert best is not None
        if origin < best:
            self._origin = best = origin
        if origin < self._candidate:
            self._candidate = origin
        if now_ms >= self._window_ends:
            # The best of the last window replaces an older one: follows a slow carrier's clock.
            self._origin = best = self._candidate
            self._candidate = origin
            self._window_ends = now_ms + WINDOW_MS
        late = origin - best
        if late > TOLD_MS:
            self._note_late(end_ms, late)
        return late if late > 0.0 else 0.0

    def _note_late(self, end_ms: float, late: float) -> None:
        self.worst_late_ms = max(self.worst_late_ms, late)
        for index, limit in enumerate(LATE_MS):
            if late > limit:
                self.late_over[index] += 1
        if self.on_late is not None:
            self.on_late(end_ms, late)

    def at(self, now_ms: float) -> float:
        """Call time of a monotonic instant; 0 before any audio came."""
        return 0.0 if self._origin is None else now_ms - self._origin
