"""espeak-ng in a worker process: speaks, and reports where in the text it is.

espeak-ng is GPL-3 and speaks one text at a time per process; this module is the only one that loads it,
and it is only ever run as a program of its own. API: espeak-ng `src/include/espeak-ng/speak_lib.h`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from pipelines.providers._voice_child import DECODER, EngineError, Hearer, Refused, Sound, run
from pipelines.providers._voice_messages import Request, Speak
from pipelines.worker_child import CannotWork, Loop, serve

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: to the callback, within espeak_Synth
_BUFFER_MS = 40
_UTF8 = 1  # espeakCHARS_UTF8
_END_PAUSE = 0x1000  # espeakENDPAUSE: a sentence ends with the pause that belongs after it
_WORD = 1  # espeak_EVENT_TYPE
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4  # espeak_PARAMETER
_WORDS_PER_MINUTE = 165  # the library's own 175 is hurried on a telephone
_VOLUME_PERCENT = 70  # of the library's usual, so that no voice reaches full scale before the limiter
_GAIN_DB = 5.0  # from -23 dBFS, which is what the voices have at that volume


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),  # pairs of a priority byte and a string, ended by a zero byte
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def _languages(address: int) -> list[str]:
    found = []
    while ctypes.string_at(address, 1) != b"\0":
        tag = ctypes.string_at(address + 1)
        found.append(tag.decode())
        address += len(tag) + 2
    return found


def _list(library: ctypes.CDLL, only: _Voice | None = None) -> list[_Voice]:
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    array = library.espeak_ListVoices(ctypes.byref(only) if only is not None else None)
    found: list[_Voice] = []
    while array[len(found)]:
        found.append(array[len(found)].contents)
    return found


def _voices(library: ctypes.CDLL) -> dict[str, str]:
    """Lower-case language tag, identifier ("gmw/en-US") or name → identifier. Earlier entries win."""
    known: dict[str, str] = {}
    for voice in _list(library):
        identifier = voice.identifier.decode()
        for key in (*_languages(voice.languages), identifier, voice.name.decode()):
            known.setdefault(key.lower(), identifier)
    return known


def _variants(library: ctypes.CDLL) -> dict[str, str]:
    """Lower-case variant ("f3", "alicia") → the part after "!v/" of its identifier."""
    tag = ctypes.create_string_buffer(b"variant")
    only = _Voice(languages=ctypes.addressof(tag))
    names = [voice.identifier.decode().removeprefix("!v/") for voice in _list(library, only)]
    return {name.lower(): name for name in names}


class Espeak:
    def __init__(self, library: ctypes.CDLL, data: str) -> None:
        self._library = library
        self._rate_hz = int(library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data.encode(), 0))
        if self._rate_hz <= 0:
            raise CannotWork(f"espeak-ng cannot read its data in {data}")
        library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self._callback = _Callback(self._spoken)  # the library keeps only a pointer
        library.espeak_SetSynthCallback(self._callback)
        self._voices = _voices(library)
        self._variants = _variants(library)
        self._selected: tuple[object, ...] = ()
        self._hearer: Hearer | None = None
        self._failure: Exception | None = None

    def select(self, request: Speak) -> Sound:
        wanted = (request.voice_id, request.language, request.speed, tuple(request.settings.items()))
        if wanted != self._selected:
            self._selected = ()
            name = self._name(request)
            if self._library.espeak_SetVoiceByName(name.encode()) != 0:
                raise Refused(f'no voice "{request.voice_id or request.language}"')
            self._set(_RATE, min(max(round(_WORDS_PER_MINUTE * request.speed), 80), 450))
            self._set(_VOLUME, _VOLUME_PERCENT)
            self._set(_PITCH, round(request.settings["pitch"]))
            self._set(_RANGE, round(request.settings["range"]))
            self._selected = wanted
        return Sound(self._rate_hz, _GAIN_DB)

    def speak(self, segment: str, hearer: Hearer) -> None:
        text = segment.encode()
        self._hearer, self._failure = hearer, None
        status = self._library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8 | _END_PAUSE, None, None)
        self._hearer = None
        if self._failure is not None:
            raise self._failure
        if status != 0:
            raise EngineError(f"espeak_Synth answered {status}")

    def _spoken(self, samples: Any, count: int, events: Any) -> int:
        """espeak's callback: 0 goes on, 1 stops. An exception cannot cross the library: `speak` raises it."""
        assert self._hearer is not None
        try:
            index = 0
            while events[index].type:
                if events[index].type == _WORD:
                    self._hearer.position(events[index].text_position - 1, events[index].audio_position)
                index += 1
            if samples and count > 0 and not self._hearer.audio(ctypes.string_at(samples, 2 * count)):
                return 1
        except Exception as error:
            self._failure = error
            return 1
        return 0

    def _name(self, request: Speak) -> str:
        """The library's name of the voice asked for: by name or identifier, else by language."""
        if request.voice_id:
            voice, plus, variant = request.voice_id.partition("+")
            known = self._voices.get(voice.lower())
            if known is None or (plus and variant.lower() not in self._variants):
                raise Refused(f'no voice "{request.voice_id}"; language tags are voices: en-us, en-gb+f3, de')
            return known + plus + self._variants.get(variant.lower(), "")
        tag = request.language.lower().replace("_", "-")
        tag = {"en": "en-us", "": "en-us"}.get(tag, tag)
        known = self._voices.get(tag) or self._voices.get(tag.partition("-")[0])
        if known is None:
            raise Refused(f'no voice for the language "{request.language}"')
        return known

    def _set(self, parameter: int, value: int) -> None:
        self._library.espeak_SetParameter(parameter, value, 0)


def _prepare(arguments: Sequence[str]) -> Loop[Request]:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    return run(Espeak(library, str(espeakng_loader.get_data_path())))


if __name__ == "__main__":
    serve(DECODER, _prepare)
