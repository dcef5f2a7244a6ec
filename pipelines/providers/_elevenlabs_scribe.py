"""Recognition over ElevenLabs' realtime transcription: one call's session, one connection for as long as it is clean.

The protocol can commit audio but not forget any. So a connection that holds audio or answers of a given-up utterance
is closed, and the next utterance has a new one: nothing of an old utterance can reach it.
"""

from __future__ import annotations

import asyncio
import base64
from math import exp
from urllib.parse import urlencode

import msgspec

from pipelines.audio import AudioFormat, Codec, from_pcm16, silence
from pipelines.errors import StageError
from pipelines.providers._elevenlabs_link import Account, Link
from pipelines.stages import Expect, SttOptions, Transcript, Word

PCM_RATES_HZ = (8000, 16000, 22050, 24000, 44100, 48000)
PIECE_MS = 100.0  # of audio in a message
# After a pause was transcribed, this much is kept back: mostly it is the pause itself, the turn ends, and the
# connection stays clean for the next utterance.
KEPT_BACK_MS = 800.0
LEAST_MS = 310.0  # a commit of less than 300 ms is refused, and the connection closed
LATE_S = 1.0  # an answer that nobody waits for any more may take so long before the connection is given up
# https://elevenlabs.io/docs/api-reference/speech-to-text/v-1-speech-to-text-realtime: `keyterms`
MOST_TERMS, LONGEST_TERM, MOST_WORDS = 50, 20, 5


class ScribeWord(msgspec.Struct, frozen=True):
    text: str
    start: float | None = None  # seconds of the connection's audio
    end: float | None = None
    type: str | None = None  # word | spacing | audio_event
    logprob: float | None = None


class ScribeMessage(msgspec.Struct, frozen=True):
    """Any message of the server."""

    message_type: str
    text: str | None = None
    words: list[ScribeWord] | None = None
    language_code: str | None = None
    error: str | None = None


class Utterance:
    """What is known of one. `changed` whenever something of it is."""

    def __init__(self, from_ms: float) -> None:
        self.from_ms = from_ms  # of the connection's audio
        self.unsent = bytearray()
        self.uncommitted_bytes = 0  # sent
        self.unanswered = 0  # commits
        self.texts: list[str] = []
        self.words: list[Word] = []
        self.language: str | None = None
        self.partial = ""
        self.failure: StageError | None = None
        self.changed = asyncio.Event()

    @property
    def clean(self) -> bool:
        """The provider holds nothing of it."""
        return not self.uncommitted_bytes and not self.unanswered


class ScribeSession:
    """A `SttSession`."""

    def __init__(self, account: Account, model: str, options: SttOptions, *, timestamps: bool) -> None:
        self._account = account
        telephone = options.rate_hz == 8000
        if not telephone and options.rate_hz not in PCM_RATES_HZ:
            raise account.failed(f"no audio of {options.rate_hz} Hz")
        self._format = AudioFormat(Codec.ULAW if telephone else Codec.PCM16, options.rate_hz)
        self._path = _path(model, options, "ulaw" if telephone else "pcm", timestamps)
        self._final = "committed_transcript_with_timestamps" if timestamps else "committed_transcript"
        self._listening = self._closed = False
        self._sent_bytes = 0  # on this connection
        self._link: Link | None = None
        self._gone: list[Link] = []
        self._late: asyncio.TimerHandle | None = None
        self._utterance = Utterance(0.0)
        self._connect()

    # --- SttSession ---------------------------------------------------------------------------------

    @property
    def partial(self) -> str:
        return _joined([*self._utterance.texts, self._utterance.partial])

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self._forget()
        self._listening = not self._closed
        self._utterance = Utterance(self._format.duration_ms(self._sent_bytes))

    def feed(self, pcm: bytes) -> None:
        if not self._listening or self._utterance.failure is not None:
            return
        unsent = self._utterance.unsent
        unsent += from_pcm16(pcm, self._format.codec)
        settled = bool(self._utterance.texts) and self._utterance.clean
        if self._format.duration_ms(len(unsent)) >= (KEPT_BACK_MS if settled else PIECE_MS):
            self._send(commit=False)

    async def flush(self) -> Transcript:
        now = self._utterance
        self._in_time()
        if self._listening and now.failure is None and (now.unsent or now.uncommitted_bytes):
            missing_ms = LEAST_MS - self._format.duration_ms(now.uncommitted_bytes + len(now.unsent))
            if missing_ms > 0:
                now.unsent += silence(self._format, int(missing_ms))
            self._send(commit=True)
        try:
            while now.unanswered and now.failure is None:
                now.changed.clear()
                await now.changed.wait()
        except asyncio.CancelledError:
            if now.unanswered and now is self._utterance:
                loop = asyncio.get_running_loop()
                self._late = loop.call_later(LATE_S, self._break, self._account.failed("no answer to a commit"))
            raise
        if now.failure is not None:
            raise now.failure
        return Transcript(_joined(now.texts), tuple(now.words), now.language)

    def end(self) -> None:
        self._forget()
        self._listening = False
        self._utterance = Utterance(self._format.duration_ms(self._sent_bytes))

    async def close(self) -> None:
        self._closed, self._listening = True, False
        self._drop()
        for link in self._gone:
            await link.closed()
        self._gone.clear()

    # --- from the link ------------------------------------------------------------------------------

    def message(self, data: bytes) -> None:
        try:
            message = msgspec.json.decode(data, type=ScribeMessage)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._break(self._account.failed("a message that is none of the protocol"))
            return
        now = self._utterance
        if message.error is not None:
            self._break(self._account.told(message.message_type, message.error, None))
        elif message.message_type == "partial_transcript":
            now.partial = message.text or ""
        elif message.message_type == self._final:
            # Without a commit of ours it is the provider's own, which it makes of what gets too long.
            now.unanswered = max(now.unanswered - 1, 0)
            now.partial = ""
            now.texts.append(message.text or "")
            now.words += _words(message.words or [], now.from_ms)
            now.language = message.language_code or now.language
            if not now.unanswered:
                self._in_time()
        now.changed.set()

    def lost(self, error: StageError) -> None:
        """Between two utterances, and where everything is understood, nothing is missing: the next feed connects."""
        clean = self._utterance.clean
        self._drop()
        if not clean:
            self._utterance.failure = error
            self._utterance.changed.set()

    # --- inside -------------------------------------------------------------------------------------

    def _connect(self) -> Link:
        if self._link is None:
            self._sent_bytes = 0
            self._link = Link(self._path, self._account, self)
        return self._link

    def _send(self, *, commit: bool) -> None:
        now, link = self._utterance, self._connect()
        audio = bytes(now.unsent)
        now.unsent.clear()
        link.send(
            {
                "message_type": "input_audio_chunk",
                "audio_base_64": base64.b64encode(audio).decode(),
                "commit": commit,
                "sample_rate": self._format.rate_hz,
            }
        )
        self._sent_bytes += len(audio)
        now.uncommitted_bytes = 0 if commit else now.uncommitted_bytes + len(audio)
        now.unanswered += commit

    def _forget(self) -> None:
        """The utterance is over; whoever still waits for it waits no longer."""
        old = self._utterance
        if not old.clean:
            self._drop()
            old.failure = old.failure or self._account.failed("the utterance was given up")
            old.changed.set()

    def _break(self, error: StageError) -> None:
        if self._link is not None:
            self._link.close()
        self.lost(error)

    def _drop(self) -> None:
        self._in_time()
        if self._link is not None:
            self._link.close()
            self._gone = [link for link in self._gone if not link.finished] + [self._link]
            self._link = None

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _path(model: str, options: SttOptions, codec: str, timestamps: bool) -> str:
    query = [
        ("model_id", model),
        ("audio_format", f"{codec}_{options.rate_hz}"),
        ("commit_strategy", "manual"),
        ("include_timestamps", str(timestamps).lower()),
    ]
    if tongue := options.language.partition("-")[0].lower():
        query.append(("language_code", tongue))
    fitting = [term for term in options.phrases if len(term) <= LONGEST_TERM and len(term.split()) <= MOST_WORDS]
    query += [("keyterms", term) for term in dict.fromkeys(fitting[:MOST_TERMS])]
    return f"/v1/speech-to-text/realtime?{urlencode(query)}"


def _words(words: list[ScribeWord], from_ms: float) -> list[Word]:
    return [
        Word(
            word.text,
            max(word.start * 1000.0 - from_ms, 0.0),
            max(word.end * 1000.0 - from_ms, 0.0),
            None if word.logprob is None else exp(min(word.logprob, 0.0)),
        )
        for word in words
        if word.type in (None, "word") and word.start is not None and word.end is not None
    ]


def _joined(texts: list[str]) -> str:
    return " ".join(text for part in texts if (text := part.strip()))
