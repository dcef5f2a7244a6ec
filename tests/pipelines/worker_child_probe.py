"""A worker whose every misbehaviour can be asked for: the child that the tests of `workers` start."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import msgspec

from pipelines.worker_child import CannotWork, Channel, Loop, serve


class Ask(msgspec.Struct, tag=True, frozen=True):
    what: str
    payload: bytes = b""


class Answer(msgspec.Struct, tag=True, frozen=True):
    text: str
    payload: bytes = b""


class Count(msgspec.Struct, tag=True, frozen=True):
    taken: int


Reply = Answer | Count


def _answer(channel: Channel[Ask], ask: Ask) -> None:
    match ask.what:
        case "die":
            os._exit(3)
        case "stop reading":
            channel.send(Answer("stopping"))
            while True:
                signal.pause()
        case "nonsense":
            channel._write(b"\x03\x00\x00\x00abc")
        case "huge":
            channel._write(b"\xff\xff\xff\x7f")
        case "who":
            nice = os.nice(0)
            channel.send(Answer(f"{os.getpid()} {nice} {signal.getsignal(signal.SIGINT) == signal.SIG_IGN}"))
        case "take":
            channel.send(Count(len(channel.take())))
        case _:
            channel.send(Answer(ask.what, ask.payload))


def _prepare(arguments: Sequence[str]) -> Loop[Ask]:
    if "cannot" in arguments:
        raise CannotWork("no such voice: install it with a command")
    if "crash" in arguments:
        os._exit(7)
    if "hang" in arguments:
        signal.pause()

    def loop(channel: Channel[Ask]) -> None:
        while True:
            _answer(channel, channel.next())

    return loop


if __name__ == "__main__":
    serve(msgspec.msgpack.Decoder(Ask), _prepare)
