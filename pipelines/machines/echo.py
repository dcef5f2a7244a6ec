"""Is what comes in our own voice coming back? Compares samples received with samples sent.

It keeps what it learnt: how late and how loud the echo is. Only sound that twice was certainly echo, with the same
delay, teaches it anything, so that a caller who speaks at the same time is not taken for one. It knows no turns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.audio import Samples

Floats = npt.NDArray[np.float64]

LONGEST_DELAY_MS = 500
ROOM_MS = 20  # of reflections behind the first one; a little before it, in case that was not the first
EARLY_MS = 2
# Share of the energy received that a filtered copy of what was sent explains. In 300 ms another voice reaches 0.3 (nine
# in ten stretches), voices being periodic; an echo 20 dB down, with as much room behind it as itself, 0.6 and more.
CERTAIN = 0.5
# What a look at half the rate, at a quarter of the price, does not find this much of is none: of 2816 stretches of
# echo that the whole look found (four voices, 10 to 40 dB down, with and without room, in noise) two had less.
HARDLY = 0.3
SAME_DELAY_MS = 5.0
LOUDEST = 0.5  # a line that sends back more than -6 dB would howl (ITU-T G.168 counts on no less loss either)
MARGIN = 2.0  # 6 dB: what is that much louder than the echo expected is not only echo
REGULAR = 0.01  # of the energy, so that a pure tone has a solution
NEARLY = 1e-6  # of the squared error, which changes the share in its fourth digit


class Echo:
    """One call's. `gain`: how loud our own voice comes back, 0 while that is not known."""

    def __init__(self) -> None:
        self.gain = 0.0
        self.delay_ms = -LONGEST_DELAY_MS * 1.0  # of what was last certainly echo

    def explains(self, received: Samples, sent: Samples, rate_hz: int) -> bool:
        """Is that echo? `sent` ends with the same sample as `received` and begins `LONGEST_DELAY_MS` earlier."""
        if len(received) % 2 == len(sent) % 2 == 0:
            hardly, _, _ = _copied(_halved(received), _halved(sent), rate_hz // 2)
            if hardly < HARDLY:
                return False
        share, gain, delay = _copied(received, sent, rate_hz)
        if share < CERTAIN or gain > LOUDEST:
            return False
        delay_ms = delay * 1000 / rate_hz
        if abs(delay_ms - self.delay_ms) <= SAME_DELAY_MS:
            self.gain = 0.5 * (self.gain + gain) if self.gain else gain
        self.delay_ms = delay_ms
        return True

    def level(self, sent_level: float) -> float:
        """What is softer than this may be the echo of a sound of that level, `delay_ms` ago."""
        return MARGIN * self.gain * sent_level


def _copied(received: Samples | Floats, sent: Samples | Floats, rate_hz: int) -> tuple[float, float, int]:
    """Share of the energy received that a filtered copy of what was sent explains, its gain and delay in samples."""
    here, there = _whitened(received), _whitened(sent)
    delay = _delay(here, there)
    copies = there[: len(there) - max(0, delay - EARLY_MS * rate_hz // 1000)]
    return *_explained(here, copies, (EARLY_MS + ROOM_MS) * rate_hz // 1000), delay


def _halved(samples: Samples) -> Floats:
    """At half the rate."""
    pairs: Floats = samples.reshape(-1, 2).sum(axis=1, dtype=np.float64)
    return pairs


def _whitened(samples: Samples | Floats) -> Floats:
    """Differences: they flatten the spectrum of speech, so that a copy stands out from another vowel."""
    found: Floats = np.diff(samples.astype(np.float64), prepend=0.0)
    return found


def _delay(received: Floats, sent: Floats) -> int:
    """Samples by which the best copy of what was sent is late."""
    count, delays = len(received), len(sent) - len(received) + 1
    size = 1 << (len(sent) - 1).bit_length()  # what wraps around falls behind the delays that are looked at
    spectrum = np.fft.rfft(sent, size) * np.conj(np.fft.rfft(received, size))
    products = np.fft.irfft(spectrum, size)[:delays]
    running = np.concatenate([[0.0], np.cumsum(sent**2)])
    energies = running[count:] - running[:delays]
    return delays - 1 - int(np.argmax(products**2 / (energies + count)))


def _explained(received: Floats, sent: Floats, taps: int) -> tuple[float, float]:
    """Share of the energy received that the best filter of so many taps makes of what was sent, and its gain."""
    count = len(received)
    copies = sent[max(0, len(sent) - count - taps + 1) :]
    energy, source = float(np.sum(received**2)), float(np.sum(copies[-count:] ** 2))
    if len(copies) < count + taps - 1 or energy <= 0.0 or source <= count:
        return 0.0, 0.0
    products = np.correlate(copies, received, "valid")[::-1]
    size = 1 << (len(copies) + taps).bit_length()
    own = np.fft.irfft(np.abs(np.fft.rfft(copies, size)) ** 2)[:taps]
    own[0] *= 1.0 + REGULAR
    share = float(products @ _solve_toeplitz(own, products)) / energy
    return share, (share * energy / source) ** 0.5 if share > 0.0 else 0.0


def _solve_toeplitz(column: Floats, right: Floats, nearly: float = NEARLY) -> Floats:
    """Solves T x = right, nearly, for the symmetric, positive definite T[i, j] = column[|i - j|].

    Conjugate gradients (Golub, Van Loan: Matrix Computations, section 11.3). LAPACK would share the work between
    threads that wait for each other: half a second where all cores are busy, in which no call goes on.
    """
    mirrored = np.concatenate([column[:0:-1], column])
    found, rest = np.zeros(len(column)), right.copy()
    ahead, left = rest.copy(), float(rest @ rest)
    enough = left * nearly
    for _ in range(2 * len(column)):
        if left <= enough:
            break
        image = np.convolve(mirrored, ahead, "valid")
        step = left / float(ahead @ image)
        found += step * ahead
        rest -= step * image
        before, left = left, float(rest @ rest)
        ahead = rest + (left / before) * ahead
    return found
