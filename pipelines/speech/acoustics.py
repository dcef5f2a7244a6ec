"""The acoustic model of the wheel, moved towards what telephones make of speech. Knows the model's files, no audio.

`data/telephone.npz` holds how far each Gaussian's mean moves and by what its variance grows. It was estimated by
single-pass retraining (Woodland, Gales, Pye 1996) from the same synthetic speech twice, wideband and as it leaves
`WideBand` after a telephone, clean and noisy: `benchmarks/telephone_adaptation.py` does it again.
"""

from __future__ import annotations

import struct
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

Parameters = npt.NDArray[np.float32]

# The sizes of the wheel's model: codebooks (one a phone), streams (cepstra, deltas, accelerations), Gaussians, values.
SHAPE = (42, 3, 128, 13)
_END_OF_HEADER = b"endhdr\n"
_PREAMBLE_BYTES = 32  # byte-order mark, three counts, three vector lengths, number of values
PARAMETER_FILES = ("means", "variances")
_FLOOR = 1e-4  # of variances, as the engine has it


class ModelMismatch(Exception):
    """The installed acoustic model is not the one that the adaptation was estimated for."""


class ParameterFile:
    """A file of Gaussian parameters in the s3 format of Sphinx: text header, preamble, floats, checksum."""

    def __init__(self, path: Path) -> None:
        """Raises ModelMismatch when it has other sizes than ours."""
        content = path.read_bytes()
        start = content.find(_END_OF_HEADER) + len(_END_OF_HEADER)
        self._header, body = content[:start], content[start:]
        self._preamble, values = body[:_PREAMBLE_BYTES], body[_PREAMBLE_BYTES:-4]
        if len(values) != 4 * int(np.prod(SHAPE)):
            raise ModelMismatch(f"{path}: not {SHAPE} parameters")
        self.values: Parameters = np.frombuffer(values, np.float32).reshape(SHAPE)

    def write(self, values: Parameters, path: Path) -> None:
        """The same file with other values."""
        payload = self._preamble[4:] + values.astype(np.float32).tobytes()
        path.write_bytes(self._header + self._preamble[:4] + payload + struct.pack("<I", _checksum(payload)))


def _checksum(payload: bytes) -> int:
    """Sphinx's: rotate left by 20 bits, add the next word."""
    total = 0
    for word in np.frombuffer(payload, np.uint32).tolist():
        total = (((total << 20) | (total >> 12)) + word) & 0xFFFFFFFF
    return total


def write_telephone_parameters(source: Path, target: Path) -> None:
    """Adapted `means` and `variances` of the acoustic model in `source`, into `target`. Raises ModelMismatch."""
    means, variances = (ParameterFile(source / name) for name in PARAMETER_FILES)
    with as_file(files("pipelines.speech").joinpath("data", "telephone.npz")) as path, np.load(path) as adaptation:
        shift = adaptation["shift"].astype(np.float32) * adaptation["shift_unit"]
        growth = adaptation["growth"]
    means.write(means.values + shift, target / "means")
    variances.write(np.maximum(variances.values, _FLOOR) * growth, target / "variances")
