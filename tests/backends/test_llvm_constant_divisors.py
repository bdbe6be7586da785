"""64-bit integers in vectors, divided by constants."""

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target

EDGES = [0, 1, 2, 6, 7, 8, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 7, 2**63 - 1]
DIVISORS = [
    1, 2, 3, 5, 7, 10, 64, 641, 1000, 2**16 + 1, 2**31 - 1, 2**31, 2**31 + 11, 2**32 - 5,
    2**32 + 15, 10**12, 2**61 - 1, 2**62, 2**62 + 1, 2**63 - 25, 2**63 - 1, -1, -3, -7,
]  # fmt: skip


def dividends(divisor):
    rng = np.random.default_rng(abs(divisor))
    edges = np.array(EDGES, np.int64)
    steps = np.arange(-50, 50) * min(abs(divisor), 2**56)
    every = rng.integers(-(2**63), 2**63 - 1, 500, dtype=np.int64)
    return np.concatenate([edges, -edges, -1 - edges, every, steps, steps - 1, steps + 1])


@pytest.mark.parametrize("divisor", DIVISORS)
def test_quotients_and_remainders(divisor):
    x = dividends(divisor)
    quotient, rest = mlc.jit(lambda x: (x // divisor, x % divisor))(x)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(quotient, x // divisor)
        np.testing.assert_array_equal(rest, x % divisor)


@pytest.mark.parametrize("divisor", [3, 7, 641, 10**12])
def test_places_divided(divisor):
    n = np.arange(4000)
    found = mlc.jit(lambda a: np.arange(4000) // divisor * 3 + np.arange(4000) % divisor + a)(5)
    np.testing.assert_array_equal(found, n // divisor * 3 + n % divisor + 5)


@pytest.mark.skipif(host_target().arch != "x86_64", reason="other processors multiply otherwise")
def test_lanes_stay_together():
    text = mlc.jit(lambda x: x // 7).lower(np.arange(10000)).asm
    assert "pmuludq" in text
    assert "imulq" not in text
