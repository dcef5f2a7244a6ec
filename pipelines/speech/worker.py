"""The recogniser's process: `python -m pipelines.speech.worker`. Takes requests, hears, answers.

Many calls share it, so it works in small steps and those first whose caller is waiting for a final text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from pipelines.speech.decoders import Decoders, TooManyUtterances
from pipelines.speech.messages import (
    Answer,
    Audio,
    Begin,
    Close,
    End,
    Failed,
    Final,
    Flush,
    Partial,
    Prepare,
    Request,
)
from pipelines.speech.utterance import Utterance
from pipelines.worker_child import Channel, Loop, serve

DECODER: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)


class Session:
    """One call: what it still has to hear, the utterance in progress, and its cepstral mean between utterances."""

    def __init__(self, decoders: Decoders) -> None:
        self.queue: deque[Audio | Flush | Begin] = deque()
        self.flushes = 0  # in the queue
        self._decoders = decoders
        self._begun: Begin | None = None
        self._utterance: Utterance | None = None
        self._decoder: Any = None
        self._mean = ""  # cepstral, of this caller; "": not met yet

    def forget(self) -> None:
        """Drops the utterance and everything queued."""
        self.queue.clear()
        self.flushes = 0
        self.release()

    def release(self) -> None:
        if self._utterance is not None and self._begun is not None:
            self._utterance.close()
            if not self._utterance.stranger:
                self._mean = self._decoder.get_cmn(True)
            self._decoders.give_back(self._begun.models, self._decoder)
        self._utterance = self._decoder = None

    def step(self) -> Answer | None:
        """Does the oldest thing in the queue."""
        request = self.queue.popleft()
        match request:
            case Begin():
                return self._begin(request)
            case Audio():
                return self._hear(request.pcm)
            case Flush():
                self.flushes -= 1
                words = () if self._utterance is None else self._utterance.flush()
                return Final(request.request, " ".join(word.text for word in words), words)

    def _begin(self, begin: Begin) -> Answer | None:
        self.release()
        self._begun = begin
        try:
            self._decoder = self._decoders.take(begin.models)
        except (TooManyUtterances, RuntimeError) as error:  # RuntimeError: the engine on unusable models
            return Failed(begin.session, begin.utterance, str(error))
        if self._mean:
            self._decoder.set_cmn(self._mean)
        self._decoder.activate_search(begin.expect)
        self._utterance = Utterance(self._decoder, begin.rate_hz, stranger=not self._mean)
        return None

    def _hear(self, pcm: bytes) -> Answer | None:
        if self._utterance is None:
            return None
        assert self._begun is not None
        self._utterance.feed(pcm)
        text = self._utterance.partial()
        return None if text is None else Partial(self._begun.session, self._begun.utterance, text)


class Hearing:
    """All sessions of this process, and whose turn it is."""

    def __init__(self, max_decoders: int) -> None:
        self._decoders = Decoders(max_decoders)
        self._sessions: dict[int, Session] = {}
        self._busy: dict[int, None] = {}  # sessions with something queued, longest waiting first

    def run(self, channel: Channel[Request]) -> None:
        while True:
            inbox = channel.pump() if self._busy else deque((channel.next(),))
            while inbox:
                self._accept(inbox.popleft())
            answer = self._work()
            if answer is not None:
                channel.send(answer)

    def _accept(self, request: Request) -> None:
        if isinstance(request, Prepare):
            self._decoders.prepare(request.models, request.decoders)
            return
        number = request.session
        session = self._sessions.get(number)
        if session is None:
            session = self._sessions[number] = Session(self._decoders)
        match request:
            case Close():
                session.forget()
                del self._sessions[number]
                self._busy.pop(number, None)
                return
            case End():
                session.forget()
                self._busy.pop(number, None)
                return
            case Begin():
                session.forget()
            case Flush():
                session.flushes += 1
        session.queue.append(request)
        self._busy.setdefault(number)

    def _work(self) -> Answer | None:
        """One step of the session that waits for a final text, else of the one that waits longest."""
        if not self._busy:
            return None
        number = next((n for n in self._busy if self._sessions[n].flushes), None)
        if number is None:
            number = next(iter(self._busy))
        del self._busy[number]
        session = self._sessions[number]
        answer = session.step()
        if session.queue:
            self._busy[number] = None
        return answer


def _prepare(arguments: Sequence[str]) -> Loop[Request]:
    return Hearing(int(arguments[0])).run


if __name__ == "__main__":
    serve(DECODER, _prepare)
