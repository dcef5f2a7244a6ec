"""Cuts a stream of tokens into chunks a voice can speak, the first one early.

Emits on terminal punctuation at once, without waiting for the next token: only a full stop after a
digit or an abbreviation does not count as one. It knows no audio.
"""

from __future__ import annotations

import re

FIRST_CHUNK_MIN = 24  # characters before the first chunk may end at a comma
LONGEST_CHUNK = 220  # a sentence longer than this is cut at a comma or a space
_TERMINAL = re.compile(r"[.!?…。！？]+[\"')\]»“”]*(?=\s|$)|\n+")
_CLAUSE = re.compile(r"[,;:–—](?=\s)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|no|vs|etc|e\.g|i\.e|a\.m|p\.m|hr|fr|nr|str|ca|z\.b|d\.h|u\.a|bzw|[a-z])\.$",
    re.IGNORECASE,
)


class SentenceChunker:
    """One reply's text: `feed` tokens, get speakable chunks; `finish` gives the rest."""

    def __init__(self) -> None:
        self._pending = ""
        self._emitted = 0

    def feed(self, delta: str) -> list[str]:
        self._pending += delta
        chunks = []
        while (cut := self._cut()) is not None:
            chunk, self._pending = self._pending[:cut].strip(), self._pending[cut:]
            if chunk:
                chunks.append(chunk)
                self._emitted += 1
        return chunks

    def finish(self) -> str:
        """What is left, spoken as it stands; "" when nothing is."""
        rest, self._pending = self._pending.strip(), ""
        return rest

    def _cut(self) -> int | None:
        text = self._pending
        for match in _TERMINAL.finditer(text):
            end = match.end()
            if end > LONGEST_CHUNK:
                break
            if not text[:end].strip(" .!?…\n"):
                continue
            if match.group().startswith(".") and self._may_go_on(text[:end]):
                continue
            return end
        if self._emitted == 0:
            for match in _CLAUSE.finditer(text):
                if match.end() >= FIRST_CHUNK_MIN:
                    return match.end()
        if len(text) > LONGEST_CHUNK:
            clause = max((m.end() for m in _CLAUSE.finditer(text[:LONGEST_CHUNK])), default=0)
            return clause or text.rfind(" ", 0, LONGEST_CHUNK) + 1 or LONGEST_CHUNK
        return None

    @staticmethod
    def _may_go_on(head: str) -> bool:
        # "3." may become "3.50", and "4." may be a German ordinal: merging two sentences costs less than tearing one.
        return bool(_ABBREVIATION.search(head)) or head[-2:-1].isdigit()
