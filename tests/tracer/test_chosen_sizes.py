"""Keys, shapes and bounds of slices that the data choose, outside of native loops."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

Y = np.array([2, 0, 2, 1, 2])
X = np.array([0.5, 3.0, -1.0, 2.0, 0.25])


def keyed(y: Any) -> Any:
    counts: dict[Any, Any] = {}
    for value in y:
        counts[int(value)] = counts.get(int(value), 0) + 1
    return counts


def named_by_rows(y: Any) -> Any:
    return [{int(y[0]): y[1:], int(y[1]): (y[0], {int(y[3]): y})}]


def paired(y: Any) -> Any:
    return {(int(y[0]), "a"): y[0], (int(y[1]), "b"): y[1]}


def grouped(y: Any) -> Any:
    found = defaultdict(list)
    for n, value in enumerate(y[:3]):
        found[int(value)].append(n + y[n])
    return found


def ordered(y: Any) -> Any:
    return OrderedDict((int(value), value * 2) for value in y[:2])


def items(value: Any) -> Any:
    if isinstance(value, dict):
        return type(value), [(items(k), items(v)) for k, v in sorted(value.items())]
    if isinstance(value, (list, tuple)):
        return [items(v) for v in value]
    return type(value), np.asarray(value).tolist()


@pytest.mark.parametrize("function", [keyed, named_by_rows, paired, grouped, ordered])
def test_keys_of_a_dict_are_numbers(function: Any) -> None:
    compiled = mlc.jit(function)
    for y in (Y, Y[::-1].copy(), Y):
        assert items(compiled(y)) == items(function(y))


def test_keys_have_the_type_of_what_was_the_key() -> None:
    compiled = mlc.jit(lambda y: {y[0]: 1.0, bool(y[1]): 2.0})
    assert {type(key) for key in compiled(np.array([3, 0]))} == {np.int64, bool}


def shaped(x: Any, y: Any) -> Any:
    k = y.max() + 1
    table = np.zeros((k, 2))
    table[y] += 1.0
    one_hot = np.zeros((y.size, k))
    one_hot[np.arange(y.size), y] = 1
    return table, one_hot, np.eye(k)[y], np.full((k,), x[0]), np.ones(k, dtype=np.int8)[y]


def made(x: Any, y: Any) -> Any:
    k = y.max()
    return np.identity(k), np.tri(k, k + 1), np.zeros_like(x, shape=(2, k)), np.empty(k).shape


def sliced(x: Any, y: Any) -> Any:
    i = np.argmax(x)
    return x[i:], x[:i], x[i : i + 2], x[-i:], x[i::2], x[::-1][i:], len(x[:i]), np.sort(x[:i])


def joined(x: Any, y: Any) -> Any:
    i, j = np.argmin(x), np.argmax(x)
    return np.concatenate([x[:i], x[i + 1 :]]), x[min(i, j) : max(i, j)].sum(), x[j:i]


def written(x: Any, y: Any) -> Any:
    i = np.argmax(x)
    x[:i] = 0.0
    part = x[i:]
    part += 1
    return part[::-1]


@pytest.mark.parametrize("function", [shaped, made, sliced, joined, written])
def test_shapes_and_bounds_are_chosen(function: Any) -> None:
    for seed in range(3):
        x = np.random.default_rng(seed).permutation(X)
        check_against_numpy(function, x, np.roll(Y, seed)[seed:])


def test_numbers_among_the_arguments_stay_static() -> None:
    compiled = mlc.jit(lambda x, n: x[:n])
    for n in (2, 3, 2):
        np.testing.assert_array_equal(compiled(X, n), X[:n])
    assert "n" in str(compiled.cache_info())


def test_a_function_of_numbers_has_the_dtype_of_what_it_returns() -> None:
    compiled = mlc.jit(lambda x: np.vectorize(lambda v: v * 2)(x * 2))
    found = compiled(np.array([1.5, 2], ml_dtypes.bfloat16))
    assert found.dtype == ml_dtypes.bfloat16 and found.tolist() == [6.0, 8.0]


def around_peaks(x: Any, limit: Any) -> Any:
    peaks = np.where(x > limit)[0]
    return np.array([x[j - 2 : j + 3] for j in peaks])


def beside_peaks(x: Any, limit: Any) -> Any:
    out = np.zeros(len(x))
    for j in np.flatnonzero(x[:-4] > limit).astype(np.int32):
        out[j : j + 4 : 2] += x[j + 1 : j + 5 : 2]
    return out


@pytest.mark.parametrize("function", [around_peaks, beside_peaks])
def test_windows_at_places_that_data_choose(function: Any) -> None:
    compiled = mlc.jit(function)
    for limit, count in (0.9, 90), (0.5, 90), (0.98, 50):  # more than are chosen one by one, fewer
        x = np.sin(np.arange(count * 1.0))
        x[:2] = x[-2:] = 0
        check_against_numpy(function, x, limit)
        np.testing.assert_allclose(compiled(x, limit), function(x, limit))


def test_windows_beyond_an_end_are_shorter() -> None:
    x = np.zeros(40)
    x[[9, 20]] = 2.0
    compiled = mlc.jit(around_peaks)
    assert compiled(x, 1.0).shape == (2, 5)
    for place in (0, 39):
        ragged = x.copy()
        ragged[place] = 2.0
        with pytest.raises(ValueError, match="has shape"):
            compiled(ragged, 1.0)
    np.testing.assert_array_equal(compiled(x[3:], 1.0), around_peaks(x[3:], 1.0))
    assert compiled(x, 1.0).shape == (2, 5)


def test_sizes_that_are_computed_in_many_steps() -> None:
    """Each step is worked out once, though each reads the one before it twice."""

    def ones(x: Any) -> Any:
        n = x.sum()
        for _ in range(24):
            n = (n + n % 5) % 7 + 1
        return np.ones(n)

    for x in (np.arange(5), np.arange(6)):
        np.testing.assert_array_equal(mlc.jit(ones)(x), ones(x))
