"""The examples of cards, over a stand-in: they compute there, too, and print what it took."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from mlc.config import config
from mlc.testing.cuda import has_card

from .fake_cupy import FakeCuPy

EXAMPLES = Path(__file__).parents[3] / "examples"
# name, size, what its last lines say, what its source has
TOLD = [
    ("40_gpu_vector_add", "512", ["GFLOP/s and"], "blockIdx.x"),
    ("41_gpu_window_sum", "512", ["GFLOP/s and"], "MLC_SHARED(float, A_shared, 0)"),
    ("42_gpu_matmul", "32", ["local blocking: ", "shared blocking: ", "float4 loads: "], "float4"),
    ("43_gpu_tensor_cores", "64", ["GFLOP/s on the card"], "mma_16x16x16_float16("),
]


@pytest.mark.parametrize(("name", "size", "told", "source"), TOLD)
def test_an_example_on_a_card(
    name: str, size: str, told: list[str], source: str,
    cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("mlc.time", lambda f, *args: (f(*args), TimeOf())[1])
    monkeypatch.setattr(sys, "argv", [name, size])
    with config.override(emulated_checks=False):
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    speeds = [line for line in lines if "GFLOP/s" in line]
    assert len(speeds) == len(told)
    for line, text in zip(speeds, told, strict=True):
        assert text in line and line.endswith("on the card")
    assert any(source in line for line in lines)
    assert cupy.launches


class TimeOf:
    """A call took a millisecond."""

    median = 1e-3


def test_there_is_a_card_over_the_stand_in_alone(cupy: FakeCuPy) -> None:
    assert has_card()
    cupy.cuda.runtime.getDeviceCount = lambda: 0
    assert not has_card()
