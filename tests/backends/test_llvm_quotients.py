"""Vectors divided by one number: NumPy's quotients bit for bit, whatever way they are found."""

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target

ODD = np.float32(
    [0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1.1754944e-38, 3.4e38, 2**62, -(2**63)]
)
by_sums = mlc.jit(lambda a, s: a / np.sum(s, axis=1, keepdims=True))


def any_bits(rng, *shape):
    return rng.integers(0, 1 << 32, shape, dtype=np.uint32).view(np.float32)


def few_bits(rng, *shape):
    """Numbers whose quotients are exact or ties, at every scale, down to subnormal results."""
    scales = np.float32(2.0) ** rng.integers(-149, 60, shape).astype(np.float32)
    return rng.integers(-40, 40, shape).astype(np.float32) * scales


def normal(rng, *shape):
    return rng.standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("dividends", [any_bits, few_bits, normal])
@pytest.mark.parametrize("divisors", [any_bits, few_bits, normal])
def test_quotients_are_rounded_once(dividends, divisors):
    rng = np.random.default_rng(5)
    for _ in range(4):
        a, s = dividends(rng, 256, 131).copy(), divisors(rng, 256).copy()
        a[: 2 * len(ODD) : 2, : len(ODD)] = a[:, -len(ODD) :] = ODD
        s[: len(ODD)] = ODD
        with np.errstate(all="ignore"):
            s += 0  # as sums have it: no -0
            wanted = a / s[:, None]
            made = by_sums(a, np.concatenate([s[:, None], np.zeros((256, 31), np.float32)], 1))
        np.testing.assert_array_equal(made, wanted)
        number = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(made)[number], np.signbit(wanted)[number])


@pytest.mark.skipif(host_target().vector_bits < 512, reason="short vectors are divided faster")
def test_the_instruction_is_for_odd_numbers_alone():
    a = np.ones((64, 256), np.float32)
    text = str(by_sums.lower(a, a).asm)
    assert text.count("vfpclassps") == text.count("vdivps") > 0
    assert text.count("vdivss") == 1  # for each row
    assert "vfpclassps" not in str(mlc.jit(lambda a, b: a / b).lower(a, a).asm)
