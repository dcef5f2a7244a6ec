"""What was released to the line and how much of it the caller has heard: by the clock, which marks correct.

Two rules. What a clear took back was not heard, and can be sent again. A mark counts only while nothing was cleared
after it was asked for: carriers return, drop or tag the marks of cleared audio, and only silence about them is safe.
It knows nothing of texts or replies; time is an argument (call time in milliseconds).
"""

from __future__ import annotations

from collections import deque

from pipelines.audio import AudioFormat, silence

KEPT_MS = 1000.0  # of released audio, for a clear: what may be out ahead, and as much as a carrier may hold it back
LONGEST_LAG_MS = 500.0
NEWEST_MARKS = 3  # the promptest of these tells the lag: a late one says more about the network than about the ear


class Line:
    """One call's. `begin` starts a new reply; positions are milliseconds of the reply's audio.

    A clear takes the same way as the audio before it, so by the clock it takes effect where the ear is *here and now*,
    however long that way is. What remains is how long the carrier holds audio back before it plays it: the lag.
    """

    __slots__ = (
        "_bytes_per_ms",
        "_certain_ms",
        "_confirmed_ms",
        "_delays",
        "_format",
        "_kept",
        "_kept_bytes",
        "_round_trip_ms",
        "_sent_bytes",
        "_spans",
        "ends_ms",
        "epoch",
        "lag_ms",
    )

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._bytes_per_ms = audio_format.rate_hz * audio_format.bytes_per_sample / 1000
        self._round_trip_ms: float | None = None
        self._delays: deque[float] = deque(maxlen=NEWEST_MARKS)
        self.lag_ms = 0.0
        self.epoch = 0  # of the reply's marks: clears so far
        self.begin()

    def begin(self) -> None:
        self.epoch = 0
        self.ends_ms = 0.0  # call time at which everything released has been heard
        self._sent_bytes = 0
        self._confirmed_ms = 0.0  # what marks proved
        self._certain_ms = 0.0  # heard before the newest clear
        self._spans: list[tuple[float, float, float]] = []  # (call time, position, length) of uninterrupted stretches
        self._kept: deque[tuple[float, bytes]] = deque()  # (call time, audio), newest last
        self._kept_bytes = 0

    @property
    def sent_ms(self) -> float:
        """How much was released, less what was taken back."""
        return self._sent_bytes / self._bytes_per_ms

    def send(self, audio: bytes, now_ms: float) -> float:
        """Note released audio. Returns the call time at which its first sample is heard."""
        at_ms = max(self.ends_ms, now_ms)
        length_ms = len(audio) / self._bytes_per_ms
        self._note_span(at_ms, length_ms)
        self.ends_ms = at_ms + length_ms
        self._sent_bytes += len(audio)
        self._kept.append((at_ms, audio))
        self._kept_bytes += len(audio)
        while self._kept_bytes - len(self._kept[0][1]) >= KEPT_MS * self._bytes_per_ms:
            self._kept_bytes -= len(self._kept.popleft()[1])
        return at_ms

    def _note_span(self, at_ms: float, length_ms: float) -> None:
        if self._spans:
            start, position, span = self._spans[-1]
            if abs(start + span - at_ms) < 0.01:
                self._spans[-1] = (start, position, span + length_ms)
                return
        self._spans.append((at_ms, self.sent_ms, length_ms))

    # --- hearing ------------------------------------------------------------------------------------

    def heard_ms(self, now_ms: float) -> float:
        """How much of the reply the caller has heard."""
        by_clock, then = 0.0, now_ms - self.lag_ms
        for start, position, length in self._spans:
            if then > start:
                by_clock = position + min(then - start, length)
        return max(by_clock, self._certain_ms, self._confirmed_ms)

    def take_back(self, now_ms: float) -> bytes:
        """Everything was cleared at the carrier. Returns the audio that was not heard."""
        width = self._format.bytes_per_sample
        heard = min(round(self.heard_ms(now_ms) * self._format.bytes_per_ms), self._sent_bytes)
        back = self._sent_bytes - heard // width * width
        pieces: list[bytes] = []
        while back > 0 and self._kept:
            at_ms, audio = self._kept.pop()
            pieces.append(audio[max(0, len(audio) - back) :])
            self._kept_bytes -= len(audio)
            if len(audio) > back:
                self._kept.append((at_ms, audio[:-back]))
                self._kept_bytes += len(audio) - back
            back -= len(pieces[-1])
            self._sent_bytes -= len(pieces[-1])
        self._spans.clear()
        self._certain_ms = self.sent_ms
        self._confirmed_ms = min(self._confirmed_ms, self.sent_ms)
        self.ends_ms = min(self.ends_ms, now_ms)
        self.epoch += 1
        return b"".join(reversed(pieces))

    def sounded(self, from_ms: float, to_ms: float) -> bytes:
        """What sounds on the line in this stretch of call time, as far as it is still kept."""
        per_ms = self._format.bytes_per_ms
        sound = bytearray(silence(self._format, round(to_ms - from_ms)))
        for at_ms, audio in self._kept:
            start = round((at_ms - from_ms) * per_ms) // self._format.bytes_per_sample * self._format.bytes_per_sample
            if -len(audio) < start < len(sound):
                piece = audio[max(0, -start) : len(sound) - start]
                sound[max(0, start) : max(0, start) + len(piece)] = piece
        return bytes(sound)

    # --- marks --------------------------------------------------------------------------------------

    @property
    def confirmed(self) -> bool:
        """A mark proved that everything sent was played."""
        return self._confirmed_ms >= self.sent_ms - 1.0

    def answered(self, round_trip_ms: float) -> None:
        """A mark that was sent into a silent line came back after so long."""
        self._round_trip_ms = round_trip_ms

    def confirm(self, position_ms: float, epoch: int, now_ms: float) -> None:
        """A mark came back: this much was played, unless it was asked for before a clear."""
        if epoch != self.epoch:
            return
        self._confirmed_ms = max(self._confirmed_ms, min(position_ms, self.sent_ms))
        if self._round_trip_ms is None:
            return
        for start, position, length in self._spans:
            if position < position_ms <= position + length + 1.0:
                self._delays.append(now_ms - (start + position_ms - position) - self._round_trip_ms)
                self.lag_ms = min(max(0.0, min(self._delays)), LONGEST_LAG_MS)
