"""Kernels have what all cards of the machine have: Hopper's wgmma and boxes, where all are such."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.compile_device import architecture_for, machine_for
from mlc.runtime.cuda.arrays import device_put

from .fake_cupy import FakeCuPy

rng = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("capabilities", "configured", "wanted"),
    [
        (("90", "90"), None, "sm_90a"),
        (("80", "80"), None, "sm_80"),
        (("90", "80"), None, ""),
        (("90", "90"), "sm_80", "sm_80"),
        (("80", "80"), "sm_90a", "sm_90a"),
    ],
)
def test_what_kernels_are_made_for(
    cupy: FakeCuPy, capabilities: tuple[str, str], configured: str | None, wanted: str
) -> None:
    cupy.capabilities[:] = capabilities
    x = np.ones((1536, 1536), np.float16)
    with mlc.config.override(cuda_architecture=configured):
        assert architecture_for("cuda") == machine_for("cuda").architecture == wanted
        assert architecture_for("cuda-emulated") == (configured or "")
        module = mlc.jit(np.matmul, target="cuda").lower(x, x).compiled.device_module
    is_hopper = wanted == "sm_90a"
    assert module.architecture == ("sm_90a" if is_hopper else "")
    assert ("wgmma" in module.source) == is_hopper


def test_a_machine_has_the_processors_that_its_cards_say(cupy: FakeCuPy) -> None:
    assert machine_for("cuda").processors == 108  # those of the smaller card
    assert machine_for("cuda-emulated").processors == 108
    cupy.processors[:] = (114, 132)
    assert machine_for("cuda").processors == 114


def test_attention_on_a_machine_of_hoppers_runs_on_all_of_them(cupy: FakeCuPy) -> None:
    cupy.capabilities[:] = ("90", "90")
    q, k, v = rng.uniform(-1, 1, (3, 1, 130, 64)).astype(np.float16)

    def attention(q: Any, k: Any, v: Any) -> Any:
        e = np.exp(q @ np.swapaxes(k, -1, -2))
        return e / e.sum(axis=-1, keepdims=True) @ v

    f = mlc.jit(mlc.nn.scaled_dot_product_attention, target="cuda")
    found = []
    for card in (0, 1):
        with cupy.cuda.Device(card):
            found.append(f(*(device_put(x, card) for x in (q, k, v))))
    assert {arch for _, arch in cupy.compiled} == {"sm_90a"}
    assert cupy.encoded and {launch.device for launch in cupy.launches} == {0, 1}
    wide = [x.astype(np.float64) for x in (q / 8, k, v)]
    for array in found:
        np.testing.assert_allclose(cupy.asnumpy(array), attention(*wide), atol=1e-3)
