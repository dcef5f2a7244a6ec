"""libflite in a worker process: speaks English, streaming, with the times of its words.

API: flite 2.2 `include/flite.h`, `cst_audio.h` (streaming), `cst_item.h` and `cst_relation.h` (words).
"""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Sequence
from typing import Any

from pipelines.providers._voice_child import DECODER, EngineError, Hearer, Refused, Sound, run
from pipelines.providers._voice_messages import Request, Speak
from pipelines.worker_child import CannotWork, Loop, serve

_DEFAULT_VOICE = "slt"
# Each voice's sample rate, and the gain that brings it to -18 dBFS (measured on eight sentences).
_SOUNDS = {
    "slt": Sound(16000, -3.5),
    "rms": Sound(16000, 3.0),
    "awb": Sound(16000, 1.0),
    "kal16": Sound(16000, 8.0),
    "kal": Sound(8000, 1.0),
}
_BUFFER_MS = 40
_GO_ON, _STOP = 0, -1  # CST_AUDIO_STREAM_CONT, CST_AUDIO_STREAM_STOP
# Where a word begins: where the segment before its first one ends.
_WORD_START = b"R:SylStructure.daughter1.daughter1.R:Segment.p.end"

_Pointer = ctypes.c_void_p


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", _Pointer),
    )


class _Streaming(ctypes.Structure):
    """cst_audio_streaming_info; its callback is a plain pointer here, because it names this very type."""

    _fields_ = (
        ("min_buffsize", ctypes.c_int),
        ("asc", _Pointer),
        ("utt", _Pointer),
        ("item", _Pointer),
        ("userdata", _Pointer),
    )


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", _Pointer))


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(_Wave), ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(_Streaming)
)
_SIGNATURES: tuple[tuple[str, Any, list[Any]], ...] = (
    ("new_audio_streaming_info", ctypes.POINTER(_Streaming), []),
    ("audio_streaming_info_val", _Pointer, [ctypes.POINTER(_Streaming)]),
    ("feat_set", None, [_Pointer, ctypes.c_char_p, _Pointer]),
    ("feat_set_float", None, [_Pointer, ctypes.c_char_p, ctypes.c_float]),
    ("flite_synth_text", _Pointer, [ctypes.c_char_p, _Pointer]),
    ("delete_utterance", None, [_Pointer]),
    ("utt_relation", _Pointer, [_Pointer, ctypes.c_char_p]),
    ("relation_head", _Pointer, [_Pointer]),
    ("item_next", _Pointer, [_Pointer]),
    ("item_daughter", _Pointer, [_Pointer]),
    ("item_feat_int", ctypes.c_int, [_Pointer, ctypes.c_char_p]),
    ("flite_ffeature_float", ctypes.c_float, [_Pointer, ctypes.c_char_p]),
)


def _load(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise CannotWork("libflite is not installed: apt install libflite1") from error


def ascii_of(text: str) -> str:
    """Character by character, so that positions stay: é is e, a dash is a space."""
    plain = (unicodedata.normalize("NFKD", character)[0] for character in text)
    return "".join(character if character.isascii() else " " for character in plain)


class Flite:
    def __init__(self) -> None:
        self._library = _load("libflite.so.1")
        for name in ("libflite_cmulex.so.1", "libflite_usenglish.so.1"):
            _load(name)
        for function, result, arguments in _SIGNATURES:
            getattr(self._library, function).restype = result
            getattr(self._library, function).argtypes = arguments
        self._library.flite_init()
        self._callback = _Callback(self._spoken)  # the library keeps only a pointer
        self._voices: dict[str, Any] = {}
        self._voice: Any = None
        self._hearer: Hearer | None = None
        self._failure: Exception | None = None
        self._told_words = False
        self._register(_DEFAULT_VOICE)

    def select(self, request: Speak) -> Sound:
        name = request.voice_id or _DEFAULT_VOICE
        if name not in _SOUNDS:
            raise Refused(f'no voice "{name}"; there are: {", ".join(_SOUNDS)}')
        if request.language.lower().partition("-")[0] not in ("en", ""):
            raise Refused(f'no voice for the language "{request.language}": English only')
        try:
            self._voice = self._voices.get(name) or self._register(name)
        except CannotWork as error:
            raise Refused(f'no voice "{name}": {error}') from error
        stretch = 1 / min(max(request.speed, 0.4), 3.0)
        self._library.feat_set_float(self._features(self._voice), b"duration_stretch", stretch)
        return _SOUNDS[name]

    def speak(self, segment: str, hearer: Hearer) -> None:
        self._hearer, self._failure, self._told_words = hearer, None, False
        utterance = self._library.flite_synth_text(ascii_of(segment).encode(), self._voice)
        self._hearer = None
        if utterance:
            self._library.delete_utterance(utterance)
        if self._failure is not None:
            raise self._failure
        if not utterance:
            raise EngineError("flite made no utterance")

    def _spoken(self, wave: Any, start: int, count: int, last: int, streaming: Any) -> int:
        """flite's callback. An exception cannot cross the library: `speak` raises it."""
        assert self._hearer is not None
        try:
            if not self._told_words:
                self._told_words = True
                self._tell_words(streaming[0].utt, self._hearer)
            pcm = ctypes.string_at(wave[0].samples + 2 * start, 2 * count)
            return _GO_ON if self._hearer.audio(pcm) else _STOP
        except Exception as error:
            self._failure = error
            return _STOP

    def _tell_words(self, utterance: Any, hearer: Hearer) -> None:
        """Every token of the text with the time at which its first spoken word begins."""
        token = self._library.relation_head(self._library.utt_relation(utterance, b"Token"))
        while token:
            word = self._library.item_daughter(token)
            if word:
                # file_pos is where reading had come to: one past the character that ended the token.
                end = self._library.item_feat_int(token, b"file_pos") - 1
                start_s = self._library.flite_ffeature_float(word, _WORD_START)
                hearer.position(max(end - 1, 0), start_s * 1000)
            token = self._library.item_next(token)

    def _register(self, name: str) -> Any:
        register = getattr(_load(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}")
        register.restype, register.argtypes = _Pointer, [_Pointer]
        voice = self._voices[name] = register(None)
        streaming = self._library.new_audio_streaming_info()
        streaming[0].asc = ctypes.cast(self._callback, _Pointer)
        streaming[0].min_buffsize = _SOUNDS[name].rate_hz * _BUFFER_MS // 1000
        value = self._library.audio_streaming_info_val(streaming)
        self._library.feat_set(self._features(voice), b"streaming_info", value)
        return voice

    def _features(self, voice: Any) -> Any:
        return ctypes.cast(voice, ctypes.POINTER(_Voice))[0].features


def _prepare(arguments: Sequence[str]) -> Loop[Request]:
    return run(Flite())


if __name__ == "__main__":
    serve(DECODER, _prepare)
