"""What data choose in native loops: as long as the data say, without a word to the caller."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.control import runtime

N = 14
R = np.random.default_rng(3)
M, X, Y = R.random((N + 3, N + 3)), R.random(N + 3), R.integers(0, 5, N + 3)
PLACES = "idx = np.where(m[i] > 0.5)[0]"
CHOSEN = "z = x[m[i] > 0.7]"
ROWS = "z = m[m[i] > 0.4]"
PROGRAMS = (
    (PLACES, "len(idx) + x[idx].sum() + idx[0] + idx[-1]"),
    (PLACES, "x[idx[len(idx) // 2]] + idx[np.argmin(x[idx])]"),
    (PLACES, "idx.size + idx.shape[0] * 2.0 + m[idx, i].max() + m[idx].sum(axis=0)[3]"),
    (PLACES, "np.concatenate([idx, np.array([3])]).sum() + np.append(idx, i)[-1]"),
    ("p = np.flatnonzero(m[i] > 0.7)", "p[-1] * (p.size > 0) + m[p[:, None], p].sum()"),
    ("p = np.flatnonzero(m[i] > 0.95)", "1.0 if p.size else 2.0 if len(p) else 3.0"),
    ("r, c = np.nonzero(m > 0.9)", "len(r) + c.sum() + m[r, c].sum() + len(np.argwhere(m > i))"),
    (CHOSEN, "len(z) + z.shape[0] + z.sum() / max(z.size, 1)"),
    (CHOSEN, "(np.ones(z.size) + z).sum() + np.full(z.shape, 2.5).sum() + len(np.empty(len(z)))"),
    (CHOSEN, "(np.zeros((len(z), len(z))) + z).sum() + (np.zeros((2, z.size)) + z)[1].sum()"),
    (f"{CHOSEN}; q = np.zeros(len(z)); q[:] = z; q[1:] += z[:-1]; q += 1", "q.sum() + len(q)"),
    (f"{CHOSEN}; q = np.empty((len(z), 2)); q[:, 0] = z; q[:, 1] = 2", "q.sum()"),
    ("w = m.copy(); w[w > 0.5] = np.sort(m[m > 0.5])", "w[3].sum() + w[0, 2]"),
    (CHOSEN, "np.sort(z).sum() + np.cumsum(z).sum() + np.argsort(z).sum()"),
    (CHOSEN, "np.diff(z).sum() + (z[1:-1] - z[2:]).sum()"),
    (CHOSEN, "np.histogram(z, bins=4, range=(0, 1))[0][3] + np.count_nonzero(z > 0.5)"),
    ("z = x[m[i] > 0.2]", "np.median(z) + np.percentile(z, 30) + z.std() + np.quantile(z, 0.9)"),
    (ROWS, "(z.T @ z)[0, 1] + np.dot(z[:, 0], z[:, 1]) + z.mean() + z.mean(axis=0)[2]"),
    (ROWS, "z.mean(axis=1).sum() + z.std(1).max() + len(z.var(1))"),
    (ROWS, "(z - z.mean(axis=1, keepdims=True)).sum() + np.mean(z, axis=1, where=z > 0.1)[-1]"),
    (ROWS, "np.median(z, axis=1).sum() + np.quantile(z, [0.2, 0.7], axis=1)[1].max()"),
    ("z = m[:i + 2, :i + 1]", "z.mean(axis=0).sum() + z.mean(axis=1).sum() + z.mean((0, 1))"),
    (ROWS, "np.sort(z, axis=0)[0, 1] + np.median(z, axis=0)[1] + z.var(axis=0, ddof=1)[2]"),
    (ROWS, "z[np.argsort(z[:, 0])][0, 1] + np.linalg.norm(z - m[i], axis=1).max()"),
    ("z = m[m[i] > 0.1]", "np.cov(z[:, :2].T)[0, 1]"),
    ("c = np.bincount(y[np.argsort(m[i])[:5]])", "c.argmax() + len(c)"),
    ("c = np.bincount(y[m[i] > 0.2])", "np.sum((c / c.sum()) ** 2)"),
    ("k = m[i] > 0.2", "np.bincount(y[k], weights=x[k]).max() + np.bincount(y[k]).argmax()"),
    ("c = np.bincount(y[:i + 1], minlength=9)", "c[7] + c[0] + len(np.bincount(y[:i + 1]))"),
    ("v, c = np.unique(y[m[i] > 0.2], return_counts=True)", "v[np.argmax(c)] + c.max() + len(v)"),
    ("v, n = np.unique(y[m[i] > 0.5], return_inverse=True)", "n.sum() + v.sum()"),
    ("v, f = np.unique(y[:i + 1], return_index=True)", "f.sum() + v.sum() + np.unique(y[i:])[-1]"),
    ("a, b = y[:4], y[np.argsort(m[i])[:5]]", "len(np.intersect1d(a, b)) + np.union1d(a, b).sum()"),
    ("a = np.where(m[i] > 0.5)[0]", "np.setdiff1d(np.arange(9), a).sum() + np.isin(i, a)"),
    ("s = x[:i + 1]", "np.sort(s)[0] + np.std(s) + np.median(s) + s.shape[0] * 2 + 1.0 / s.size"),
    ("s = x[:i]", "np.concatenate([s, x[i + 1:]]).sum() + np.ones_like(s).sum()"),
)  # fmt: skip


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("open_lengths")
    lines = ["import numpy as np"]
    for n, (before, text) in enumerate(PROGRAMS):
        lines += [f"def f{n}(m, x, y):", f"    out = np.zeros({N})", f"    for i in range({N}):",
                  f"        {before}", f"        out[i] = {text}", "    return out"]  # fmt: skip
    path = folder / "open_lengths.py"
    path.write_text("\n".join(lines))
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    assert inspect.getsource(space["f0"])
    return [space[f"f{n}"] for n in range(len(PROGRAMS))]


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """All loops have to be native."""
    monkeypatch.setattr(runtime, "_UNROLLED", 0)
    monkeypatch.setattr(runtime, "_MOST_UNROLLED", 0)


@pytest.mark.parametrize("number", range(len(PROGRAMS)), ids=[text for _, text in PROGRAMS])
def test_computed(number: int, programs: Any, native: None) -> None:
    function = programs[number]
    compiled = mlc.jit(function)
    for y in (Y, Y[::-1] * 2):
        np.testing.assert_allclose(compiled(M, X, y), function(M, X, y), rtol=1e-12)


def test_a_middle_of_numbers_with_nan_is_nan(native: None) -> None:
    def program(x: Any) -> Any:
        found = np.zeros((8, 2))
        for i in range(8):
            chosen = x[: i + 1]
            found[i, 0] = np.median(chosen)
            found[i, 1] = np.sort(x[(x > i - 4.0) | (x != x)])[-1]
        return found

    x = np.array([3.0, -1, 2, 5, -2, np.nan, 4, 1])
    np.testing.assert_array_equal(mlc.jit(program)(x), program(x))


def test_counts_of_what_the_loop_itself_computes_have_no_bound(native: None) -> None:
    def program(y: Any) -> Any:
        total = 0
        for i in range(5):
            total += np.bincount(y * i).argmax()
            y = y + total
        return total

    with pytest.raises(mlc.UnsupportedError, match="give minlength=, greater than every value"):
        mlc.jit(program)(Y)


def test_negative_numbers_are_not_counted(native: None) -> None:
    def program(y: Any) -> Any:
        total = 0
        for i in range(1, 5):
            total += np.bincount(y[:i]).argmax()
        return total

    with pytest.raises(ValueError, match="x must not be negative, got -3"):
        mlc.jit(program)(np.array([1, 2, -3, 4]))


@pytest.mark.parametrize("number", range(6))
def test_what_is_empty_has_no_elements(number: int, native: None) -> None:
    def first(x: Any) -> Any:
        total = 0.0
        for i in range(5):
            total += np.where(x > i)[0][0]
        return total

    def last(x: Any) -> Any:
        total = 0.0
        for i in range(5):
            total += x[x > i][-1]
        return total

    def second_row(x: Any) -> Any:
        total = 0.0
        for i in range(5):
            total += np.argwhere(x > i)[1, 0]
        return total

    def greatest(x: Any) -> Any:
        total = 0.0
        for i in range(5):
            total += x[np.where(x > i)[0]].max()
        return total

    def where_least(x: Any) -> Any:
        total = 0.0
        for i in range(5):
            total += np.argmin(x[np.where(x > i)[0]])
        return total

    def guarded(x: Any) -> Any:
        total = 0.0
        for i in range(5):
            if np.sum(x > i) > 1:
                found = np.where(x > i)[0]
                total += found[1] + x[found].max() + np.argmax(x[found])
        return total

    function = (first, last, second_row, greatest, where_least, guarded)[number]
    x = np.array([0.5, 1.5, 2.5])
    if function is guarded:
        assert mlc.jit(function)(x) == function(x)
        return
    with pytest.raises((IndexError, ValueError)) as wanted:
        function(x)
    with pytest.raises(wanted.type):
        mlc.jit(function)(x)
    assert mlc.jit(function)(x + 9) == function(x + 9)


def _of_a_head(x: Any, counts: Any, k: Any) -> Any:
    total = 0.0
    for i in range(len(counts)):
        total += x[: counts[i]][k[i]] + (x[: counts[i]] * 2)[k[i]]
    return total


def _of_a_tail(x: Any, counts: Any, k: Any) -> Any:
    total = 0.0
    for i in range(len(counts)):
        tail = x[len(x) - counts[i] :]
        total += tail[k[i]] + np.take_along_axis(tail, k[i : i + 1], 0)[0]
        total += np.take_along_axis(tail * 2, k[i : i + 1], 0)[0] + x[::-1][: counts[i]][k[i]]
    return total


@pytest.mark.parametrize("function", [_of_a_head, _of_a_tail])
def test_nothing_beside_the_array_is_read_where_a_slice_is_empty(function: Any) -> None:
    memory = np.full(60, np.nan)
    x = memory[20:30]
    x[:] = range(10)
    fast: Any = mlc.jit(function)
    for count in (0, 1, 10):
        counts = np.full(40, count)
        for place in (0, -1, 7, -8):
            k = np.full(40, place)
            if -count <= place < count:
                assert fast(x, counts, k) == function(x, counts, k)
            else:
                assert np.isfinite(fast(x, counts, k))


def best_split(x):
    """Of a decision tree: parts of data in short loops, more of them than data may choose sizes."""
    y = (x[:, 0] > 0).astype(int)
    best = (np.inf, 0, 0.0)
    for f in range(x.shape[1]):
        for t in np.unique(x[:, f]):
            left, right = y[x[:, f] <= t], y[x[:, f] > t]
            if len(left) == 0 or len(right) == 0:
                continue
            parts = (left, right)
            gini = sum(len(s) * (1 - sum(np.mean(s == c) ** 2 for c in (0, 1))) for s in parts)
            if gini < best[0]:
                best = (gini, f, t)
    return best


def test_short_loops_are_native_where_data_choose_too_much() -> None:
    compiled, rng = mlc.jit(best_split), np.random.default_rng(0)
    for _ in range(2):
        x = rng.standard_normal((8, 5))
        np.testing.assert_allclose(compiled(x), best_split(x), rtol=1e-12)


def test_loops_over_as_much_as_the_data_say() -> None:
    def function(x):
        total = 0.0
        for i in range(100):
            for v in x[x > x[i]]:
                total = 0.9 * total + v
        return total

    x = np.random.default_rng(1).standard_normal(100)
    np.testing.assert_allclose(mlc.jit(function)(x), function(x), rtol=1e-12)


def last_places(x: Any) -> Any:
    """Data choose how much there is in each iteration of a short loop."""
    out = np.zeros(8)
    for k in range(8):
        places = np.flatnonzero(x > k * 0.1)
        out[k] = places[-1] + np.median(x[places])
    return out


def test_short_loops_whose_sizes_data_choose_are_native() -> None:
    compiled = mlc.jit(last_places)
    for scale in (1.0, 2.0, 1.5):
        x = np.random.default_rng(4).random(30) * scale
        np.testing.assert_allclose(compiled(x), last_places(x), rtol=1e-15)
    assert str(compiled.lower(x).graph).count("loop(") == 1


def test_as_many_values_as_the_mask_chooses(native: None) -> None:
    def program(x: Any, level: Any) -> Any:
        total = 0.0
        for i in range(5):
            w = x.copy()
            w[w > i / 10] = x[x > level * i]
            total += w.sum()
        return total

    x = np.random.default_rng(5).random((4, 4))
    compiled = mlc.jit(program)
    np.testing.assert_allclose(compiled(x, 0.1), program(x, 0.1), rtol=1e-14)
    for function in (compiled, program):
        with pytest.raises(ValueError, match="boolean array indexing assignment cannot assign"):
            function(x, 0.2)


def test_the_error_says_why_the_loop_is_not_native() -> None:
    def program(x: Any) -> Any:
        out = np.zeros(3)
        for n in range(60):
            out = np.hstack([out, x[x > n / 60][:3][::-2]])
        return out

    with pytest.raises(mlc.UnsupportedError) as caught:
        mlc.jit(program)(np.random.default_rng(0).random(100))
    assert "the loop around it cannot be native: the length of this slice is" in str(caught.value)
