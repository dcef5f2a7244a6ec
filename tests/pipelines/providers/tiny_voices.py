"""Networks with the inputs and outputs of Piper's and Kokoro's, whose weights are random: every phoneme is a sound of
its own, repeated for as long as it lasts. The real packages load and run them, and espeak-ng makes the phonemes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tiny_onnx
from tiny_onnx import FLOAT, INT64, node

Floats = npt.NDArray[np.float32]

SILENT = " _^$"
PIPER_HOP = 256
KOKORO_HOP = 240
KOKORO_COMMA = 3  # in its vocabulary
KOKORO_VOICES = ("af_heart", "am_adam", "bf_emma", "ff_siwis", "jf_alpha")
# Piper's own numbering begins like this; everything that espeak-ng says for our sentences is in it.
PIPER_PHONEMES = (
    "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮ"
    "ɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢʲˈˌːˑ˞βθχᵻⱱ"
)


def piper(
    folder: Path,
    name: str = "en_US-tiny-low",
    *,
    espeak: str = "en-us",
    rate_hz: int = 22050,
    speakers: tuple[str, ...] = (),
    aligned: bool = False,
) -> Path:
    """A voice of Piper's. Scales are (noise, length, noise of the length): only the length is used. `aligned`: with the
    second output that Piper's patch adds; it claims that a comma lasts twenty times as long as anything else."""
    table = sounds(len(PIPER_PHONEMES), PIPER_HOP, [PIPER_PHONEMES.index(one) for one in SILENT])
    nodes = [node("Gather", ["scales", "one"], "length", axis=0), *spoken("input")]
    nodes.append(node("Reshape", ["samples", "wave"], "output"))
    inputs = {"input": (INT64, ["batch", "phonemes"]), "input_lengths": (INT64, ["batch"]), "scales": (FLOAT, [3])}
    outputs = {"output": (FLOAT, ["batch", 1, 1, "time"])}
    constants = {"wave": np.array([1, 1, 1, -1]), "one": np.array([1]), **numbers(table, rate_hz / 9000)}
    if speakers:  # each bends the waves more than the one before
        inputs["sid"] = (INT64, ["batch"])
        nodes[-1] = node("Reshape", ["samples", "wave"], "voice")
        nodes += [
            node("Gather", ["biases", "sid"], "bias", axis=0),
            node("Mul", ["voice", "bias"], "bent"),
            node("Tanh", ["bent"], "output"),
        ]
        constants["biases"] = np.linspace(1, 20, len(speakers), dtype=np.float32)
    if aligned:
        nodes.append(node("Gather", ["claims", "input"], "durations", axis=0))
        constants["claims"] = claims(len(PIPER_PHONEMES), PIPER_PHONEMES.index(",")).astype(np.float32)
        outputs["durations"] = (FLOAT, ["batch", "phonemes"])
    path = tiny_onnx.save(folder / f"{name}.onnx", nodes, inputs=inputs, outputs=outputs, constants=constants)
    config = {
        "audio": {"sample_rate": rate_hz, "quality": "low"},
        "espeak": {"voice": espeak},
        "language": {"code": name.partition("-")[0], "family": espeak[:2]},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": {phoneme: [number] for number, phoneme in enumerate(PIPER_PHONEMES)},
        "num_symbols": len(PIPER_PHONEMES),
        "num_speakers": max(len(speakers), 1),
        "speaker_id_map": {speaker: number for number, speaker in enumerate(speakers)},
        "hop_length": PIPER_HOP,
    }
    Path(f"{path}.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def kokoro(folder: Path, *, timed: bool = False) -> tuple[Path, Path]:
    """Kokoro's network and its voices. A style bends the waves; `timed`: with the output that says how long each
    phoneme lasts; it claims that of a comma as well."""
    table = sounds(178, KOKORO_HOP, [0, 16])
    nodes = [
        node("Reciprocal", ["speed"], "length"),
        *spoken("tokens"),
        node("Reshape", ["samples", "wave"], "voice"),
        node("ReduceMean", ["style"], "bias", axes=[0, 1], keepdims=0),
        node("Mul", ["voice", "bias"], "bent"),
        node("Tanh", ["bent"], "audio"),
    ]
    outputs = {"audio": (FLOAT, ["time"])}
    if timed:
        nodes.append(node("Gather", ["claims", "tokens"], "duration", axis=0))
        outputs["duration"] = (INT64, ["batch", "phonemes"])
    path = tiny_onnx.save(
        folder / ("timed.onnx" if timed else "kokoro.onnx"),
        nodes,
        inputs={"tokens": (INT64, ["batch", "phonemes"]), "style": (FLOAT, ["batch", 256]), "speed": (FLOAT, [1])},
        outputs=outputs,
        constants={"wave": np.array([-1]), "claims": claims(178, KOKORO_COMMA), **numbers(table, 6.0)},
    )
    voices = folder / "voices.bin"
    with voices.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            **{name: np.full((510, 1, 256), 1 + 4 * at, np.float32) for at, name in enumerate(KOKORO_VOICES)},
        )
    return path, voices


def sounds(phonemes: int, hop: int, silent: list[int]) -> Floats:
    """(phonemes, hop) of one period each of a voice: some thirty harmonics of about 90 Hz, the higher the softer."""
    spectrum = np.random.default_rng(7).normal(size=(phonemes, hop // 2 + 1)) + 0j
    harmonics = np.arange(hop // 2 + 1)
    spectrum *= np.where((harmonics > 0) & (harmonics <= 30), 1 / np.maximum(harmonics, 1), 0)
    table = np.fft.irfft(spectrum, hop)
    table *= 0.1 / np.sqrt((table**2).mean(axis=1, keepdims=True))
    table[silent] = 0.0
    return table.astype(np.float32)


def claims(phonemes: int, comma: int) -> npt.NDArray[np.int64]:
    lasts = np.full(phonemes, 2)
    lasts[comma] = 40
    return lasts


def numbers(table: Floats, frames: float) -> dict[str, npt.NDArray[Any]]:
    return {
        "table": table,
        "frames": np.array([frames], np.float32),
        "apart": np.array([2]),
        "batch": np.array([1]),
        "hop": np.array([table.shape[1]]),
    }


def spoken(phonemes: str) -> list[bytes]:
    """From phonemes (1, n), and their length (1,), to samples (1, n, repeats, hop)."""
    return [
        node("Mul", ["frames", "length"], "frames_each"),
        node("Ceil", ["frames_each"], "repeats"),
        node("Cast", ["repeats"], "repeats_int", to=INT64),
        node("Gather", ["table", phonemes], "looked_up", axis=0),
        node("Unsqueeze", ["looked_up", "apart"], "waves"),
        node("Concat", ["batch", "batch", "repeats_int", "hop"], "repeated", axis=0),
        node("Expand", ["waves", "repeated"], "samples"),
    ]
