"""Arrays that a function captures are laid out for its products once, before the first call."""

from __future__ import annotations

import re

import numpy as np
import pytest

import mlc
from mlc.ir.interpret import interpret
from mlc.lower.separate_constants import separate_constants


def drawn(*shape: int, dtype: str = "float32") -> np.ndarray:
    rng = np.random.default_rng(sum(shape))
    array = rng.uniform(-1, 1, shape).astype(dtype)
    array.flags.writeable = False
    return array


def kernels_called(text: str, function: str) -> list[str]:
    body = re.search(rf"define i32 @{function}\(.*?\n}}", text, re.S)
    return [] if body is None else re.findall(r"call \w+ @(\w+)", body[0])


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 64])
@pytest.mark.parametrize("columns", [130, 256])
def test_layers(rows, columns):
    first, second, x = drawn(96, columns), drawn(columns, 70), drawn(rows, 96)

    @mlc.jit
    def layers(x):
        return np.maximum(x @ first, 0) @ second

    wanted = np.maximum(x @ first, 0) @ second
    for _ in range(2):
        assert np.allclose(layers(x), wanted, atol=1e-4)
    text = layers.lower(x).llvm
    assert bool(kernels_called(text, "mlc_ahead")) == (rows >= 4)
    assert len(kernels_called(text, "mlc_main")) == 2


def test_code_from_the_disk_packs_the_weights_of_its_process(tmp_path):
    """The elements of large constants are not in the key: two models share their code."""
    x = drawn(8, 160)
    with mlc.config.override(cache_dir=tmp_path):
        for seed in range(2):
            weights = np.random.default_rng(seed).uniform(-1, 1, (160, 192)).astype("float32")
            made = mlc.jit(lambda x, w=weights: x @ w)
            assert np.allclose(made(x), x @ weights, atol=1e-4)
            compiled = made.lower(x)
            assert kernels_called(compiled.llvm, "mlc_ahead")


def test_weights_that_change_are_packed_anew():
    weights, x = np.array(drawn(128, 128)), drawn(16, 128)

    @mlc.jit
    def layer(x):
        return x @ weights

    assert np.allclose(layer(x), x @ weights, atol=1e-4)
    weights *= 2
    assert np.allclose(layer(x), x @ weights, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "int32", "complex64"])
def test_other_types_and_batches(dtype):
    weights, x = drawn(3, 80, 144), drawn(3, 6, 80)
    weights, x = (weights * 9).astype(dtype), (x * 9).astype(dtype)

    @mlc.jit
    def layer(x):
        return np.einsum("bij,bjk->bik", x, weights) + 1

    assert np.allclose(layer(x), x @ weights + 1, atol=1e-3)


def test_a_matrix_that_lies_the_other_way_round():
    weights, x = drawn(300, 200), drawn(7, 200)

    @mlc.jit
    def layer(x):
        return np.einsum("ik,jk->ij", x, weights)

    assert np.allclose(layer(x), x @ weights.T, atol=1e-4)
    assert kernels_called(layer.lower(x).llvm, "mlc_ahead")


def scheduled(weights: np.ndarray, x: np.ndarray):
    return mlc.jit(lambda x: x @ weights).lower(x).compiled.kernels[0]


def test_the_parts_mean_what_the_whole_did():
    weights, x = drawn(40, 240), drawn(5, 40)
    code = scheduled(weights, x)
    parts = code.separated
    assert parts is not None and len(parts.kept) == 1
    assert [b.name for b in parts.ahead.params][-1] == parts.kept[0].name
    kept = np.zeros(parts.kept[0].shape, "float32")
    interpret(parts.ahead, weights, kept)
    given = {"5x40": x, "40x240": weights, "x".join(map(str, kept.shape)): kept}
    out = np.zeros((5, 240), "float32")
    arguments = [given.get("x".join(map(str, b.shape)), out) for b in parts.main.params]
    interpret(parts.main, *arguments)
    assert np.allclose(out, x @ weights, atol=1e-5)


def test_nothing_moves_without_constants_or_with_refusals():
    from dataclasses import replace

    code = scheduled(drawn(40, 240), drawn(5, 40))
    assert separate_constants(code.scheduled, ()) is None
    others = [b for b in code.scheduled.params if b not in code.constants][:1]
    assert separate_constants(code.scheduled, others) is None
    heard = replace(code.scheduled, attrs={"refusals": {"x": ("IndexError", "no")}})
    assert separate_constants(heard, code.constants) is None
