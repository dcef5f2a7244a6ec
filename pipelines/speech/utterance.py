"""One utterance inside a worker: audio in as it comes, text out when asked, more audio after that.

Knows decoders and samples; knows no sessions, sockets or schedules.
"""

from __future__ import annotations

import re
from typing import Any

from pipelines.speech.cepstra import ACQUAINT_MS, acquaint
from pipelines.speech.telephone import MODEL_HZ, WideBand, loudness
from pipelines.stages import Word

_FRAME_MS = 10  # of the engine
_BYTES_PER_MS = MODEL_HZ * 2 // 1000
_PARTIAL_EVERY_MS = 200
_SILENCE_SHARE = 0.2  # of the loudness of speech: quieter audio after a flush holds no words
_FAINTEST = 170.0  # loudness below which there is only line noise, ours included: -46 dB of full scale
_REPEAT_MS = 6000  # shorter utterances are heard again as a whole when the caller goes on after a flush
_TAIL_MS = 60  # of silence, so that the last phone's context is complete
_VARIANT = re.compile(r"\(\d+\)$")
_FILLER = re.compile(r"<.*>|\[.*\]|\+\+.*")


class Utterance:
    """Hears through `decoder`, which is its own until `close`.

    After a flush the engine's utterance is closed. What follows is kept unheard while it is quiet; when
    the caller goes on, a short utterance is heard again from its start (words are not cut in two at a pause and
    the language model sees the whole sentence), a long one continues in a new segment.
    """

    def __init__(self, decoder: Any, rate_hz: int, *, stranger: bool) -> None:
        """`stranger`: nothing of this caller was heard yet, so the decoder's cepstral mean is not theirs."""
        self._decoder = decoder
        self.stranger = stranger
        self._first = bytearray()  # of a stranger, not yet heard
        self._wide = WideBand(rate_hz)
        self._open = False
        self._heard = bytearray()  # at 16 kHz, of this segment
        self._unheard = bytearray()  # after a flush
        self._offset_ms = 0.0  # of this segment
        self._before: tuple[Word, ...] = ()  # words of earlier segments
        self._words: tuple[Word, ...] = ()  # of this segment, as of the last flush
        self._loudness = 0.0
        self._partial_at = 0
        self._flushed = False

    def feed(self, pcm: bytes) -> None:
        self._take(self._wide.feed(pcm))

    def _take(self, wide: bytes) -> None:
        if not self._flushed:
            self._hear(wide)
            return
        self._unheard += wide
        if loudness(bytes(self._unheard)) > max(self._loudness * _SILENCE_SHARE, _FAINTEST):
            self._go_on()

    def _go_on(self) -> None:
        """Speech after a flush."""
        unheard, self._unheard = bytes(self._unheard), bytearray()
        self._flushed = False
        if len(self._heard) > _REPEAT_MS * _BYTES_PER_MS:
            self._before += self._words
            self._offset_ms += len(self._heard) / _BYTES_PER_MS
            self._heard.clear()
        again = bytes(self._heard)
        self._heard.clear()
        self._hear(again + unheard)

    def _hear(self, wide: bytes) -> None:
        if not wide:
            return
        if self.stranger:
            self._first += wide
            if len(self._first) >= ACQUAINT_MS * _BYTES_PER_MS:
                self._meet()
            return
        if not self._open:
            self._decoder.start_utt()
            self._open = True
        self._heard += wide
        self._decoder.process_raw(wide)

    def _meet(self) -> None:
        first = bytes(self._first)
        self._first.clear()
        if first:
            self.stranger = False
            acquaint(self._decoder, first)
            self._hear(first)

    def partial(self) -> str | None:
        """The newest hypothesis, if enough was heard since the last one."""
        if not self._open or len(self._heard) - self._partial_at < _PARTIAL_EVERY_MS * _BYTES_PER_MS:
            return None
        self._partial_at = len(self._heard)
        hypothesis = self._decoder.hyp()
        text = [] if hypothesis is None else [_clean(word) for word in hypothesis.hypstr.split()]
        return " ".join([*(word.text for word in self._before), *text])

    def flush(self) -> tuple[Word, ...]:
        """The words of everything so far, timed from the first sample."""
        if self.stranger:
            self._meet()
        if self._open:
            self._decoder.process_raw(bytes(_TAIL_MS * _BYTES_PER_MS))
            self._decoder.end_utt()
            self._open = False
            self._partial_at = 0
            self._loudness = max(self._loudness, loudness(bytes(self._heard)))
            self._words = self._segment() if self._loudness > _FAINTEST else ()
            self._flushed = True
        return self._before + self._words

    def _segment(self) -> tuple[Word, ...]:
        if self._decoder.hyp() is None:
            return ()
        words: list[Word] = []
        for segment in self._decoder.seg():
            if not _FILLER.fullmatch(segment.word):
                start = self._offset_ms + segment.start_frame * _FRAME_MS
                end = self._offset_ms + (segment.end_frame + 1) * _FRAME_MS
                words.append(Word(_clean(segment.word), start, end))
        return tuple(words)

    def close(self) -> None:
        if self._open:
            self._decoder.end_utt()
            self._open = False


def _clean(word: str) -> str:
    """ "read(2)" → "read", the letter "b." → "b"; "a.m." stays."""
    word = _VARIANT.sub("", word)
    return word[0] if len(word) == 2 and word[1] == "." else word
