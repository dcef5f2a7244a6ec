from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pocketsphinx", reason="pip install 'voicecore[embedded]'")

from pipelines.speech.acoustics import PARAMETER_FILES, ModelMismatch, ParameterFile, write_telephone_parameters
from pipelines.speech.build import acoustic_model


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_what_is_read_is_written_to_the_last_bit(name: str, tmp_path: Path) -> None:
    source = acoustic_model() / name
    file = ParameterFile(source)
    file.write(file.values, tmp_path / name)
    assert (tmp_path / name).read_bytes() == source.read_bytes()


def test_the_adaptation_moves_means_a_little_and_keeps_variances_positive(tmp_path: Path) -> None:
    write_telephone_parameters(acoustic_model(), tmp_path)
    before, after = (ParameterFile(folder / "means").values for folder in (acoustic_model(), tmp_path))
    assert 0.5 < np.abs(after - before).mean() < before.std()
    variances = ParameterFile(tmp_path / "variances").values
    assert variances.min() > 0
    assert np.isfinite(variances).all()


def test_another_model_is_refused(tmp_path: Path) -> None:
    content = (acoustic_model() / "means").read_bytes()
    (tmp_path / "means").write_bytes(content[:-400])
    with pytest.raises(ModelMismatch):
        ParameterFile(tmp_path / "means")
