"""Results of no axes are scalars or arrays, as NumPy's are; single bools as indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

A, Z, V = np.float64(2.5), np.array(2.5), np.array([1.0, 2.0, 3.0])
M = np.arange(4.0).reshape(2, 2) + np.eye(2)
# What makes arrays in NumPy, and what makes scalars.
TEXTS = """
np.where(a > 0, 1, 0); np.where(z > 0, z, 0); np.select([a > 0], [a], 0); np.isin(a, [1, 2])
np.piecewise(z, [z > 0], [1, 0]); np.i0(a); np.cov(v); np.tensordot(v, v, 1); np.roll(z, 0)
np.zeros_like(a); np.full_like(z, 3); z.copy(); np.copy(a); z.astype(int); z[...]; a[...]
v[0, ...]; v[..., 0]; np.array(a); np.asarray(a); np.squeeze(v[:1]); z.T; z.real; z.imag
np.reshape(z, ()); v[:1].reshape(()); np.broadcast_to(a, ()); z
np.pad(z, 0); np.moveaxis(z, (), ()); np.resize(z, ()); np.block(a)
np.sum(v); v.mean(); np.max(z); np.clip(z, 0, 1); np.round(z); np.abs(z); z + 1; -z; z[()]; v[0]
np.einsum("i,i", v, v); np.einsum("ii", m); v @ v; np.trace(m); np.linalg.det(m); np.interp(z, v, v)
np.searchsorted(v, z); np.median(v); np.fix(z); np.sinc(z); np.nan_to_num(z); np.conj(z)
np.polyval(v, z); np.take(v, 0); np.choose(1, [a, a]); np.modf(z)[0]; np.angle(a); z.sum()
np.ones(()); np.array(1.5); np.float64(z); np.real_if_close(a); np.array(a * 1j); z[...] * 1j
np.asarray(a * 1j); np.reshape(z * 1j, ()); np.where(z > 0, 1j, 0); np.complex128(z); a * 1j
np.linalg.norm(v); np.isclose(z, z); np.corrcoef(v); z > 1; abs(z); z.round(); np.float64(a) * 2
np.squeeze(z, 0); np.squeeze(a, -1); np.argpartition(z, 0); np.argpartition(a, 0, axis=0)
np.cumulative_sum(z); np.cumulative_prod(a, include_initial=True)
"""
# Some of each kind, for what branches and loops leave.
FEW = """
z; z + 1; a; np.array(a); np.where(a > 0, 1, 0); np.sum(v); v[0, ...]; v[0]; z.copy(); np.ones(())
np.squeeze(v[:1]); np.asarray(a * 1j); a * 1j; float(a); int(v[1]); np.float32(a); np.cov(v)
"""
LEFT = {
    "branch": "    if v[0] > 0:\n        r = %s\n    else:\n        r = %s\n    return r",
    "return": "    if v[0] > 0:\n        return %s\n    return %s",
    "loop": "    for _ in range(i + 2):\n        r = %s\n    return r",
    "both": "    r = %s\n    for k in range(i):\n        r = %s if v[k] > 0 else r\n    return r",
}
BOOLS = """
m[True]; m[False]; m[np.True_]; m[np.array(True)]; m[True, ...]; m[..., True]; m[True, 0]
m[0, True]; m[True, [0, 1]]; m[[0], False]; m[:, True]; m[:, True, 0]; m[None, True]
m[True, None]; m[True, True]; m[True, False]; m[0, True, 1:]; m[:, False, [1]]; m[i, True]
m[True, i]; m[[0, 1], True, [1, 0]]; z[True]; z[False]; z[True, None, ...]
a[True]; a[False]
"""
WRITES = """
m[True] = 5; m[False] = 5; m[True, 0] = v[:2]; m[:, True] = 1.0; m[np.False_] = a; z[True] = 4
z[False] = 4; z[..., True] = a; m[True, [0, 1]] += 1; m[True, i] = 7; m[False, 1] *= 2
"""


def functions(tmp_path: Any, texts: str, body: str) -> list[tuple[str, Any]]:
    """A function of a file of its own for each of ``texts``."""
    lines = [t.strip() for line in texts.strip().splitlines() for t in line.split(";")]
    parts = [
        f"def f{n}(a, z, v, m, i):\n{body.replace('%s', text)}\n" for n, text in enumerate(lines)
    ]
    path = tmp_path / "made.py"
    path.write_text("import numpy as np\n" + "".join(parts))
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    return [(text, space[f"f{n}"]) for n, text in enumerate(lines)]


def arguments() -> tuple[Any, ...]:
    return A, Z.copy(), V.copy(), M.copy(), 1


def same(text: str, found: Any, wanted: Any) -> None:
    assert type(found) is type(wanted), text
    assert np.shape(found) == np.shape(wanted), text
    assert np.asarray(found).dtype == np.asarray(wanted).dtype, text
    np.testing.assert_allclose(found, wanted, rtol=1e-14, err_msg=text)


@pytest.mark.parametrize("texts", [TEXTS, BOOLS], ids=["results", "bools"])
def test_as_numpy(tmp_path: Any, texts: str) -> None:
    made = functions(tmp_path, texts, "    return %s")
    for text, function in made:
        same(text, mlc.jit(function)(*arguments()), function(*arguments()))

    def together(*args: Any) -> Any:
        return [function(*args) for _, function in made]

    for found, wanted in zip(mlc.jit(together)(*arguments()), together(*arguments()), strict=True):
        same("together", found, wanted)


@pytest.mark.parametrize("kind", LEFT)
def test_what_branches_and_loops_leave(tmp_path: Any, kind: str) -> None:
    for text, function in functions(tmp_path, FEW, LEFT[kind]):
        args = (*arguments()[:-1], np.int64(2))
        same(text, mlc.jit(function)(*args), function(*args))


def test_writes_at_bools(tmp_path: Any) -> None:
    body = "    m, z = m.copy(), z.copy()\n    %s\n    return m + z"
    for text, function in functions(tmp_path, WRITES, body):
        same(text, mlc.jit(function)(*arguments()), function(*arguments()))


def test_an_array_handed_through_is_itself() -> None:
    z = np.array(1.5)
    compiled = mlc.jit(lambda z, x: (z, np.where(z > 1, x, 0)))
    for _ in range(12):
        first, second = compiled(z, 2.0)
        assert first is z and type(second) is np.ndarray and second == 2
    out = np.zeros(())
    chosen = mlc.jit(lambda x: np.where(x > 1, x, 0.5))
    assert chosen(z, out=out) is out and out == 1.5


def test_copies_of_known_arrays_can_be_written_to() -> None:
    def program(x: Any) -> Any:
        counter = np.array(-1)
        counter[...] = 4
        counter += 1
        other = counter.copy()
        other[...] = 7
        return x + other, counter, other

    for found, wanted in zip(mlc.jit(program)(np.ones(2)), program(np.ones(2))):
        assert type(found) is type(wanted)
        np.testing.assert_array_equal(found, wanted)
