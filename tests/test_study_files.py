"""The files of studies."""

import re

import pytest

from research.design.errors import UserError
from research.design.places import STUDIES
from research.design.study_files import load_study, study_names


def test_a_misspelt_study_is_answered_with_the_nearest_name():
    with pytest.raises(UserError, match="no study 'activation_dept'; did you mean 'activation_depth'\\?"):
        load_study("activation_dept")


def test_every_study_file_loads_under_its_own_name():
    for name in study_names():
        assert load_study(name).name == name
        text = (STUDIES / f"{name}.py").read_text()
        assert all(re.search(rf"^{head}\.", text, re.MULTILINE) for head in ("Question", "Cost", "What to expect"))
