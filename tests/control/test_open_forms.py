"""Functions of as many elements as the data choose in native loops: all elements, any number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.control import runtime

R = np.random.default_rng(8)
P = R.normal(size=(16, 2))
X, Y = P[:, 0].copy(), R.uniform(size=16)
GROUPS = {
    "places": """np.roll(w, 2); np.roll(q, -1, axis=0); np.tile(w, (2, 1))
        np.repeat(q, 2, axis=0); np.insert(w, len(w), 5.0)
        np.insert(q, -1, [1.0, 2.0], axis=0); np.delete(w, -1)
        np.delete(q, np.argmax(w), axis=0); np.delete(w, [0, 2]); np.delete(w, w > 0)""",
    "edges": """np.pad(w, 1); np.pad(w, (1, 2), mode="edge"); np.pad(w, 2, constant_values=3.0)
        np.pad(w, 2, mode="reflect"); np.pad(w, (0, 3), mode="symmetric"); np.pad(w, 2, mode="wrap")
        np.pad(q, ((1, 0), (0, 1))); np.trim_zeros(np.floor(np.abs(w))); np.full_like(w, 2.5)
        np.diag(w); np.resize(w, (2, 3)); np.atleast_2d(w); np.squeeze(q[:, :1])
        np.broadcast_to(w, (3, len(w)))""",
    "order": """np.searchsorted(np.sort(w), t); np.searchsorted(t, w, side="right")
        np.digitize(w, t)
        np.digitize(t, np.sort(w)); np.digitize(t, np.sort(w)[::-1], right=True)
        np.interp(t, np.sort(w), v); np.interp(w, t, t**2); np.interp(t, np.sort(w), v, -1.0, 9.0)
        np.take(w, [0, -1]); q.take([1, 0], axis=0); w[np.array([-2, 1])]; np.where(w > 0)[0]
        w.tolist()[-2]; sum(w.tolist()); np.maximum.accumulate(w); np.add.accumulate(q)
        np.choose((w > 0).astype(int), [w, v]); np.kron(w, t); np.array_split(w, 2)[1]
        np.histogram(w, bins=t)[0]; np.histogram(w[w > 9], bins=3)[1]
        np.histogram(w, bins=[-2, 0, 1, 3], weights=v)[0]; np.histogram(w, bins=4)[0]
        np.partition(w, 2)[2]; w[np.argpartition(w, 1)[1]]; np.lexsort((w, v > 0.5))
        np.compress(w > 0, w); np.extract(w > 0, v)""",
    "sizes": """np.linspace(0, 2, len(w)); np.linspace(t[0], 3, num=len(w), endpoint=False)
        np.eye(len(w)) @ w; np.eye(len(w), 3, k=-1); np.identity(len(w)); np.tri(2, len(w), 1)
        np.hanning(len(w)); np.hamming(len(w)); np.blackman(len(w)); np.bartlett(len(w))""",
    "sums": """np.gradient(w, np.sort(v)); np.gradient(q, 0.5, axis=0)
        np.convolve(w, t, mode="same"); np.convolve(w, t, mode="valid")
        np.convolve(w, v); np.correlate(t, w, "same"); np.correlate(w, w, "full")
        np.correlate(w, t); np.nancumsum(w); np.nancumprod(w)
        np.average(w, weights=v); np.nanmean(z); np.nanstd(z); np.nanmedian(z)
        np.nanpercentile(z, [20, 60]); np.polyval(w, 0.5)""",
    "matrices": """np.vstack([w, v]); np.vstack([w, v]).T @ t[:2]; np.polyfit(w, v, 1)
        np.polyfit(w, v, 2, w=v); np.linalg.lstsq(q, v, rcond=None)[0]
        np.linalg.svd(q, compute_uv=False); np.linalg.qr(q)[0]; np.linalg.qr(q)[1]
        np.linalg.pinv(q); np.linalg.matrix_rank(q); np.linalg.svd(q, full_matrices=False)[2]""",
}  # fmt: skip


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """All loops have to be native."""
    monkeypatch.setattr(runtime, "_UNROLLED", 0)
    monkeypatch.setattr(runtime, "_MOST_UNROLLED", 0)


def _program(path: Path, text: str) -> Any:
    """Of each expression in ``text`` the elements, so summed that places count, of four lengths."""
    parts = [part.strip() for line in text.splitlines() for part in line.split(";")]
    lines = ["import numpy as np", "def weigh(r):", "    if np.ndim(r) == 0:", "        return r",
             "    rows = np.cos(np.arange(r.shape[-1]))", "    if np.ndim(r) == 1:",
             "        return np.sum(r * rows)",
             "    return np.sum(r * rows * np.cos(np.arange(r.shape[0]))[:, None])",
             "def program(x, y, p, t, limits):", f"    out = np.zeros((4, {len(parts)}))",
             "    for k in range(4):", "        m = x < limits[k]",
             "        w, v, q = x[m], y[m], p[m]", "        z = np.where(w > 0.3, np.nan, w)",
             *(f"        out[k, {n}] = weigh({part})" for n, part in enumerate(parts)),
             "    return out"]  # fmt: skip
    path.write_text("\n".join(lines))
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    return space["program"]


@pytest.mark.parametrize("name", GROUPS)
def test_every_element_of_any_number(name: str, tmp_path: Path, native: None) -> None:
    program = _program(tmp_path / f"{name}.py", GROUPS[name])
    limits = np.array([np.inf, np.sort(X)[4], np.sort(X)[9], 0.2])
    given = X, Y, P, np.array([-0.7, 0.0, 0.4]), limits
    np.testing.assert_allclose(mlc.jit(program)(*given), program(*given), rtol=1e-9, atol=1e-12)


SHORT = {
    "np.delete(w, 1)[0]": IndexError, "np.insert(w, 2, 1.0)[0]": IndexError,
    "np.take(w, [0, -3])[0]": IndexError, "w[np.array([2])][0]": IndexError,
    "np.gradient(w)[0]": ValueError, "np.partition(w, 1)[0]": ValueError,
}  # fmt: skip
EMPTY = {
    "np.interp(0.5, w, w)": ValueError, "np.pad(w, 1, mode='edge')[0]": ValueError,
    "np.convolve(w, np.ones(2))[0]": ValueError,
}  # fmt: skip


@pytest.mark.parametrize("text", [*SHORT, *EMPTY])
def test_too_few_elements_raise_what_numpy_raises(text: str, tmp_path: Path, native: None) -> None:
    path = tmp_path / "short.py"
    path.write_text(
        "import numpy as np\ndef program(x, limits):\n    total = 0.0\n    for k in range(3):\n"
        f"        w = x[x < limits[k]]\n        total += {text}\n    return total\n"
    )
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    x, compiled = np.sort(X), mlc.jit(space["program"])
    enough = np.array([x[7], x[9], x[3]])
    np.testing.assert_allclose(compiled(x, enough), space["program"](x, enough))
    limits = np.array([x[7], x[1] if text in SHORT else x[0], x[3]])
    with pytest.raises({**SHORT, **EMPTY}[text]):
        space["program"](x, limits)
    with pytest.raises({**SHORT, **EMPTY}[text], match=r"short.py:6 in program"):
        compiled(x, limits)


def test_what_is_padded_by_less_than_nothing_is_refused_as_by_numpy(native: None) -> None:
    def program(x: Any) -> Any:
        total = 0.0
        for k in range(3):
            total += np.pad(x[x > k], -1).sum()
        return total

    with pytest.raises(ValueError, match="widths must be >= 0, got -1"):
        mlc.jit(program)(X)


def test_places_where_elements_of_open_length_hold_are_written(native: None) -> None:
    def program(x: Any) -> Any:
        found = np.zeros(len(x))
        for k in range(len(x)):
            w = x[x > x[k]]
            marks = np.zeros_like(w)
            marks[w > 0] = 2
            found[k] = marks.sum()
        return found

    np.testing.assert_array_equal(mlc.jit(program)(X), program(X))
