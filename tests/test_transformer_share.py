"""The counts of transformer_share against formulas, and its controls seen to fail."""

import math
import os
import subprocess

import numpy as np
import pytest
import torch
from broken_studies import controls_of
from conftest import COMMAND, ROOT, error_line

from research.design.study_files import load_study
from studies.transformer_share import ACTIVATIONS, NAMES, PARTS, Census, Counted, counted, empty_model

FAULTS = {
    "as-published": ("empty.named_parameters()", "empty.named_parameters(remove_duplicate=False)"),
    "as-the-formulas": ('"attn" in place.lower() or "attention" in place.lower()', '"attn" in place.lower()'),
    "attention-reaches": ("other[:, 0] = ", "other[:, 0] * "),
}


def test_every_control_of_the_study_is_seen_to_fail():
    assert set(FAULTS) == {control.name for control in load_study("transformer_share").controls}


def test_no_control_fails_where_nothing_is_broken(tmp_path):
    assert controls_of("transformer_share", tmp_path, ("PARTS", "PARTS"), FAULTS) == dict.fromkeys(FAULTS, "supported")


@pytest.mark.parametrize("control", FAULTS)
def test_a_control_is_refuted_where_what_it_is_about_is_broken(control, tmp_path):
    assert controls_of("transformer_share", tmp_path, FAULTS[control], [control]) == {control: "refuted"}


def test_counts_need_no_memory_and_leave_no_parameter_out():
    for model in NAMES:
        empty = empty_model(model, "own")
        assert {parameter.device.type for parameter in empty.parameters()} == {"meta"}
        assert sum(counted(model, "own", "all").values()) == sum(each.numel() for each in empty.parameters())


def test_mixtures_and_gated_blocks_have_what_their_papers_say():
    mixtral, llama = (empty_model(name, "own").config for name in ("mixtral", "llama"))
    assert counted("llama", "own", "all")["mlp"] == 32 * 3 * llama.hidden_size * llama.intermediate_size
    expert, router = 3 * mixtral.hidden_size * mixtral.intermediate_size, 8 * mixtral.hidden_size
    assert counted("mixtral", "own", "all")["mlp"] == 32 * (8 * expert + router)
    assert counted("mixtral", "own", "active")["mlp"] == 32 * (2 * expert + router)
    assert sum(counted("mixtral", "own", "active").values()) == pytest.approx(12.9e9, rel=0.01)
    assert sum(counted("deepseek_v3", "own", "active").values()) == pytest.approx(37e9, rel=0.03)


def test_without_heads_there_is_less_of_the_rest_alone():
    for model in ("llama", "gptj", "mixtral"):
        own, none = counted(model, "own", "all"), counted(model, "none", "all")
        assert own["rest"] > none["rest"]
        assert all(own[part] == none[part] for part in PARTS if part != "rest")


def test_typed_activations_are_those_of_torch():
    z = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    kinds = {"gelu": torch.nn.functional.gelu, "silu": torch.nn.functional.silu, "relu": torch.relu}
    kinds["gelu_new"] = lambda x: torch.nn.functional.gelu(x, approximate="tanh")
    for name, function in ACTIVATIONS.items():
        np.testing.assert_allclose(function(z.numpy()), kinds[name](z), atol=1e-15)


def test_shares_are_of_one_whole_and_a_census_has_more_than_a_hundred_models():
    numbers = Counted("gpt2").numbers()
    assert math.isclose(sum(numbers[f"{part}_parameters"] for part in PARTS), numbers["parameters"])
    assert Census().numbers()["language_models"] > 100


def test_without_the_package_it_is_said_what_to_install(tmp_path):
    """As in a clone without the extra: a finder ahead of all others knows no such package."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'transformers' else real(name, *more)\n"
    )
    done = subprocess.run(
        [*COMMAND, "transformer_share", "--tier", "smoke", "--store", str(tmp_path / "store")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert error_line(done.returncode, done.stderr) == (
        "Counted needs transformers: pip install -c constraints.txt -e '.[catalogue]' in the project's folder"
    )
