"""Slices whose length only the loop knows: what is computed is right, all else is refused."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.control import runtime

N = 60
R = np.random.default_rng(3)
X, M = R.random(N + 3), R.random((N + 3, N + 3))
COMPUTED = (
    "x[:i+1].max()", "x[i::2].sum()", "x[i:i+2].sum()", "x[:-i-1].sum()", "x[-i-1:].prod()",
    "np.argmin(x[:i+1])", "np.any(x[:i+1] > 0.9)", "np.linalg.norm(x[i:])", "len(x[:i])",
    "np.sum(m[i:, i:])", "np.sum(m[i:, i:] @ m[i:, 0])", "np.where(x[:i] > 0.5, 1, 0).sum()",
    "np.outer(x[:i], x[:i]).sum()", "m[:i+1].T.sum(axis=1)[0]", "np.abs(x[:i+1] - x[i]).min()",
    "np.einsum('i,i->', x[:i], x[:i])", "np.count_nonzero(x[:i] > 0.5)", "m[i, :i] @ m[:i, i]",
    "x[:i+1][::-1].sum()", "np.flip(x[:i+1])[0]", "x[:i+1][-1]", "x[:i][2:5].sum()",
    "x[:i][-4:-1].sum()", "x[:i][1::3].sum()", "np.dot(np.flip(x[:i]), x[:i])",
    "m[:i+1, :i+1][::-1, -1].sum()", "np.diff(x[:i+1]).sum()", "x[i:][7:].sum()",
    "np.cumsum(x[:i+1])[i]", "np.sort(x[:i+1])[0]", "np.concatenate([x[:i+1], x]).sum()",
    "x[:i+1].reshape(-1, 1).sum()", "np.std(x[:i+1])", "np.stack([x[:i], x[:i]]).sum()",
    "x[:i].shape[0] * 2", "np.ones_like(x[:i]).sum()", "1.0 / x[:i+1].size",
    "m[:i+1].ravel().sum()", "m[:i+1].reshape(-1)[-1]", "x[:2*(i//2)].reshape(2, -1).sum()",
    "np.ones(x[:i].shape).sum()", "np.full((2, len(x[i:])), 1.5).sum()",
)  # fmt: skip
REFUSED = (
    "x[:i+1][::-2].sum()", "x[:i+1].reshape(2, -1).sum()", "x[:i+1][3::-1].sum()", "x[:i].nbytes",
    "(x[:i+1] * x[:3]).sum()",
)  # fmt: skip


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("lengths")
    lines = ["import numpy as np"]
    for n, text in enumerate((*COMPUTED, *REFUSED)):
        lines += [f"def f{n}(x, m):", f"    out = np.zeros({N})", f"    for i in range({N}):",
                  f"        out[i] = {text}", "    return out"]  # fmt: skip
    path = folder / "lengths.py"
    path.write_text("\n".join(lines))
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    assert inspect.getsource(space["f0"])
    return [space[f"f{n}"] for n in range(len(COMPUTED) + len(REFUSED))]


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """All loops have to be native."""
    monkeypatch.setattr(runtime, "_UNROLLED", 0)
    monkeypatch.setattr(runtime, "_MOST_UNROLLED", 0)


@pytest.mark.parametrize("number", range(len(COMPUTED)), ids=COMPUTED)
def test_computed(number: int, programs: Any, native: None) -> None:
    function = programs[number]
    np.testing.assert_allclose(mlc.jit(function)(X, M), function(X, M), rtol=1e-10)


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=REFUSED)
def test_refused(number: int, programs: Any, native: None) -> None:
    with pytest.raises((mlc.MlcError, TypeError)):
        mlc.jit(programs[len(COMPUTED) + number])(X, M)


def test_what_is_refused_is_unrolled(programs: Any) -> None:
    function = programs[len(COMPUTED)]
    np.testing.assert_allclose(mlc.jit(function)(X, M), function(X, M))
