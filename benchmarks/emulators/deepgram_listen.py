"""One connection to Deepgram's transcription: what Nova and Flux answer to audio and to control messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.emulators.base import Fault
from benchmarks.emulators.speech import Speech
from pipelines.audio import AudioFormat

if TYPE_CHECKING:
    from benchmarks.emulators.deepgram import DeepgramEmulator, Link

REQUEST_ID = "a1b2c3d4-0000-4000-8000-000000000000"
INTERIM_MS = 240.0  # of audio between two hypotheses
STEP_MS = 80  # Flux hears in these
UPDATE_MS = 250.0
EAGER_MS, END_MS = 160.0, 480.0  # of silence until Flux thinks that a turn may be, or is over
FLOOD = 1500
FLOODED = "word " * 600


class ListenStream(ABC):
    """What both have in common. `asked` answers whether the connection goes on."""

    def __init__(self, emulator: DeepgramEmulator, link: Link, audio: AudioFormat, query: Mapping[str, str]) -> None:
        self.emulator = emulator
        self.link = link
        self.audio = audio
        self.query = query
        self.speech = Speech(emulator.script, audio)

    def begin(self) -> None:
        """The connection is open. Only one of the two has something to say first."""
        return

    @abstractmethod
    def heard(self, data: bytes) -> None: ...

    @abstractmethod
    def asked(self, message: dict[str, Any]) -> bool: ...


class NovaStream(ListenStream):
    """`/v1/listen`: hypotheses while audio comes, the final text at a Finalize."""

    final_ms = 0.0  # everything before was answered for good
    shown_ms = 0.0

    def heard(self, data: bytes) -> None:
        if self.speech.feed(data):
            self.emulator.heard_ms = self.speech.loud_ms
        if self.speech.at_ms - self.shown_ms >= INTERIM_MS:
            self.shown_ms = self.speech.at_ms
            if self.emulator.fault not in (Fault.EMPTY, Fault.STALL):
                self.link.say(self._results(self.speech.hypothesis(), final=False))

    def asked(self, message: dict[str, Any]) -> bool:
        kind = message.get("type")
        if kind == "KeepAlive":
            self.emulator.keep_alives += 1
        elif kind == "CloseStream":
            self.link.say(self._final(), {"type": "Metadata", "request_id": REQUEST_ID}, delayed=False)
            self.link.end(1000, "")
        elif kind == "Finalize":
            self._finalize()
        else:
            self.link.say({"type": "Error", "variant": "SchemaError", "description": f"unknown message {kind}"})
        return True

    def _finalize(self) -> None:
        fault = self.emulator.fault
        if fault in (Fault.STALL, Fault.STALL_MIDWAY):
            self.speech.say()
            self.link.swallow()
        elif fault is Fault.CUT:
            self.link.say(self._results(self.speech.hypothesis(), final=False))
            self.link.cut()
        elif fault is Fault.SERVER_ERROR:
            self.link.end(1011, "NET-0000: no response from the engine")
        elif fault is Fault.MALFORMED:
            self.link.say('{"type": "Results", "start": "soon", "channel": []}')
        elif fault is Fault.HUGE:
            flood = self._results(FLOODED, final=True, start_ms=self.final_ms)
            self.link.say(*[flood] * FLOOD, self._final())
        else:
            self.link.say(self._final())

    def _final(self) -> dict[str, Any]:
        said = self.speech.hypothesis() and self.speech.unsaid()
        text = "" if self.emulator.fault is Fault.EMPTY else said
        results = self._results(text, final=True) | {"from_finalize": True}
        self.speech.say()
        self.final_ms = self.shown_ms = self.speech.at_ms
        return results

    def _results(self, text: str, *, final: bool, start_ms: float | None = None) -> dict[str, Any]:
        start_ms = self.final_ms if start_ms is None else start_ms
        words = [
            {
                "word": word.lower().strip(".,?!"),
                "punctuated_word": word,
                "start": from_ms / 1000,
                "end": to_ms / 1000,
                "confidence": 0.98,
            }
            for word, from_ms, to_ms in self.speech.spread(text)
        ]
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": start_ms / 1000,
            "duration": (self.speech.at_ms - start_ms) / 1000,
            "is_final": final,
            "speech_final": False,
            "from_finalize": False,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.98 if text else 0.0, "words": words}]},
            "metadata": {
                "request_id": REQUEST_ID,
                "model_uuid": REQUEST_ID,
                "model_info": {"name": "general-nova-3", "version": "2025-04-17.21547", "arch": "nova-3"},
            },
        }


class FluxStream(ListenStream):
    """`/v2/listen`: turns, as a state machine over steps of audio (https://developers.deepgram.com/docs/flux/state)."""

    def __init__(self, emulator: DeepgramEmulator, link: Link, audio: AudioFormat, query: Mapping[str, str]) -> None:
        super().__init__(emulator, link, audio, query)
        self._rest = b""
        self._turn = self._sequence = 0
        self._in_turn = self._eager = False
        self._silent_ms = self._told_ms = 0.0
        self._turn_from_ms = 0.0
        self._said: list[tuple[str, float, float]] = []  # words of the turn that are settled
        self._eager_at = float(query.get("eager_eot_threshold", 2.0))
        self._end_at = float(query.get("eot_threshold", 0.7))

    def begin(self) -> None:
        self._tell({"type": "Connected", "request_id": REQUEST_ID})

    def heard(self, data: bytes) -> None:
        for step in self._steps(data):
            event = self._step(self.speech.feed(step))
            if event or self.speech.at_ms - self._told_ms >= UPDATE_MS:
                self._told_ms = self.speech.at_ms
                self._turn_info(event or "Update")
            if event == "EndOfTurn":
                self._next_turn()

    def asked(self, message: dict[str, Any]) -> bool:
        kind = message.get("type")
        if kind == "ForceEndTurn":
            if self._in_turn:
                self._turn_info("EndOfTurn", trigger="manual")
                self._next_turn()
        elif kind == "CloseStream":
            self.link.end(1000, "")
        else:
            self._tell({"type": "Error", "code": "UNPARSABLE_CLIENT_MESSAGE", "description": f"no message {kind}"})
            self.link.end(1008, "")
        return True

    def _steps(self, data: bytes) -> Iterator[bytes]:
        """What does not fill a step is not heard yet."""
        size = self.audio.rate_hz * STEP_MS // 1000 * self.audio.bytes_per_sample
        data = self._rest + data
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return (data[at : at + size] for at in range(0, whole, size))

    def _step(self, loud: bool) -> str:
        """The event that this step completes; "" for none."""
        if loud:
            self._silent_ms = 0.0
            self.emulator.heard_ms = self.speech.loud_ms
            if not self._in_turn:
                self._in_turn = True
                return "StartOfTurn"
            if self._eager:
                self._eager = False
                return "TurnResumed"
            return ""
        if not self._in_turn:
            return ""
        self._silent_ms += STEP_MS
        if self._silent_ms >= END_MS and self._end_at < 1.0:
            return "EndOfTurn"
        if self._silent_ms >= EAGER_MS and not self._eager and self._eager_at <= 1.0:
            self._eager = True
            self._settle()
            return "EagerEndOfTurn"
        return ""

    def _settle(self) -> None:
        """Everything that was said in the turn so far is in its text from now on."""
        if text := self.speech.hypothesis() and self.speech.unsaid():
            self._said += self.speech.spread(text)
        self.speech.say()

    def _next_turn(self) -> None:
        self.speech.say()
        self._in_turn = self._eager = False
        self._said = []
        self._silent_ms = 0.0
        self._turn += 1
        self._turn_from_ms = self.speech.at_ms

    def _turn_info(self, event: str, trigger: str = "model") -> None:
        if event == "EndOfTurn" or (self._silent_ms and self._in_turn):
            self._settle()
        said = [*self._said, *self.speech.spread(self.speech.hypothesis())]
        confidence = {"EndOfTurn": self._end_at + 0.1, "EagerEndOfTurn": self._eager_at + 0.05}.get(event, 0.05)
        fault = self.emulator.fault
        if fault is Fault.EMPTY:
            said = []
        message: dict[str, Any] = {
            "type": "TurnInfo",
            "request_id": REQUEST_ID,
            "event": event,
            "turn_index": self._turn,
            "audio_window_start": self._turn_from_ms / 1000,
            "audio_window_end": self.speech.at_ms / 1000,
            "transcript": " ".join(word for word, _, _ in said),
            "words": [
                {"word": word, "confidence": 0.97, "start": from_ms / 1000, "end": to_ms / 1000}
                for word, from_ms, to_ms in said
            ],
            "end_of_turn_confidence": min(confidence, 1.0),
        }
        if event == "EndOfTurn":
            message["trigger"] = trigger
        if fault is Fault.STALL or (fault is Fault.STALL_MIDWAY and event != "StartOfTurn"):
            self.link.swallow()
            return
        if fault is Fault.CUT:
            self._tell(message)
            self.link.cut()
        elif fault is Fault.SERVER_ERROR:
            self._tell({"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": "it broke"})
            self.link.end(1011, "")
        elif fault is Fault.MALFORMED:
            self._tell(message | {"words": "none"})
        elif fault is Fault.HUGE:
            for _ in range(FLOOD // 10):
                self._tell(message | {"transcript": FLOODED})
        else:
            self._tell(message)

    def _tell(self, message: dict[str, Any]) -> None:
        self.link.say(message | {"sequence_id": self._sequence})
        self._sequence += 1
