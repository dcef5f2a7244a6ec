"""Options of the first stage of voice detection."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class WebrtcVadOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Annotated[int, Meta(ge=0, le=3)] = 2  # the detector's own strictness
    margin_db: Annotated[float, Meta(ge=0, le=30)] = 3.5  # speech is this much above the noise
    min_level_dbfs: Annotated[float, Meta(ge=-90, le=0)] = -54.0  # and this loud in any case
    range_db: Annotated[float, Meta(ge=10, le=90)] = 30.0  # and not this much below the speech just heard
