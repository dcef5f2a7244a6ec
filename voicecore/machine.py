"""How busy this machine is, in percent. Asking is cheap and does not wait."""

from __future__ import annotations

from pathlib import Path

import msgspec
import psutil


class Busy(msgspec.Struct, frozen=True):
    cpu: float  # since it was asked last
    memory: float
    disk: float  # of the volume that holds the data


class Machine:
    def __init__(self, data: Path) -> None:
        self._data = data
        psutil.cpu_percent()  # the first answer counts from here

    def busy(self) -> Busy:
        at = self._data if self._data.exists() else Path.cwd()
        return Busy(psutil.cpu_percent(), psutil.virtual_memory().percent, psutil.disk_usage(str(at)).percent)
