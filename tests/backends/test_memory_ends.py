"""Nothing outside of an array is read or written: its neighbours are pages nobody may touch."""

from __future__ import annotations

import subprocess
import sys

import pytest

SETUP = """
import ctypes, mmap
import numpy as np
import mlc

PAGE = mmap.PAGESIZE
LIBC = ctypes.CDLL(None, use_errno=True)
held = []

def walled(values, at_end):
    '''A copy of the array that begins, or ends, where no page is.'''
    pages = -(-max(values.nbytes, 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    held.append(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for wall in (start, start + (pages + 1) * PAGE):
        assert LIBC.mprotect(ctypes.c_void_p(wall), ctypes.c_size_t(PAGE), 0) == 0
    offset = PAGE + (pages * PAGE - values.nbytes if at_end else 0)
    copy = np.frombuffer(memory, values.dtype, values.size, offset).reshape(values.shape)
    copy[...] = values
    return copy

def judge(function, *arrays):
    wanted, compiled = function(*arrays), mlc.jit(function)
    for at_end in (False, True):
        found = compiled(*(walled(a, at_end) for a in arrays))
        for x, y in zip(*((r if isinstance(r, tuple) else (r,)) for r in (found, wanted))):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)

rng = np.random.default_rng(0)
"""

PROGRAMS = {
    "as much as data choose": """
def ends(x):
    most = np.argmax(x)
    return x[most:] * 2, x[most::3], x[x > 0][1:], x[np.flatnonzero(x > 1)]
compiled = mlc.jit(ends)
for place in (3, 4090, 2000, 4095):
    x = walled(rng.standard_normal(4096), True)
    x[place] = 9
    for got, wanted in zip(compiled(x), ends(x)):
        np.testing.assert_array_equal(got, wanted)
""",
    "windows": """
def windows(x, places):
    total = 0.0
    for j in places:
        total += x[j - 2:j + 3].sum()
    return total
compiled = mlc.jit(windows)
for end in (9, 4093, 4096, -4096):
    for at_end in (False, True):
        places = np.array([5, 9, end], np.int32)
        x = walled(rng.standard_normal(4096), at_end)
        np.testing.assert_allclose(compiled(x, places), windows(x, places))
""",
    "steps": """
for dtype in ("float32", "int8"):
    for n in (2, 17, 131):
        x = rng.integers(0, 9, n).astype(dtype)
        judge(lambda x: (x[::2] + 1, x[1::2] + 1, x[::3] + 1, x[::4] + 1, x[::-1] + 1, x[::-2] + 1,
                         x[::5] + 1), x)
""",
    "whole vectors": """
for step in (2, 3, 4):
    x = rng.random(64 * step - step + 1).astype("float32")  # the last of 64 is the last of all
    judge(lambda x: x[::step] + 1, x)
    judge(lambda x: x[::-step] * 2, x)
""",
    "windows by steps": """
for n in (20, 55, 65, 66):
    x = rng.random((3, n, n)).astype("float32")
    m = (n - 3) // 2 + 1
    places = [(slice(p, p + 2 * m, 2), slice(q, q + 2 * m, 2)) for p in range(3) for q in range(3)]
    judge(lambda x: sum(x[:, rows, columns] for rows, columns in places), x)
    judge(lambda x: (x[..., 0::2][..., :m] - x[..., 1::2][..., :m], x[..., 2::3] + 1), x)
""",
    "rows of few": """
for dtype in ("float32", "complex64", "int8", "float64"):
    for n in (64, 127, 128):
        for k in (2, 3, 4):
            x = (rng.integers(0, 9, (n, k)) + (1j if dtype == "complex64" else 0)).astype(dtype)
            judge(lambda x: np.stack([x[:, 0] * x[:, 1], x[:, 1] + x[:, 0] * x[:, -1]], -1), x)
            judge(lambda x: x * x + x[:, ::-1], x)
""",
    "conditions": """
for n in (3, 65):
    x = rng.standard_normal(n).astype("float32")
    i = rng.integers(0, n, n)
    judge(lambda x: np.where(np.arange(x.size + 7) < x.size, np.pad(x, (0, 7)), 2), x)
    judge(lambda x: np.pad(x[:-1], (1, 2)) + np.pad(x, (2, 0))[: x.size + 2], x)
    judge(lambda x, i: (x[i], x[::-1][i] * 2, np.convolve(x, x[:3])), x, i)
""",
    "folds": """
for n in (1, 15, 257):
    x = rng.standard_normal((3, n)).astype("float32")
    judge(lambda x: (x.sum(), x.sum(axis=0), x.sum(axis=1), x.argmax(axis=1), x.argmin()), x)
    judge(lambda x: (np.cumsum(x, axis=1), np.sort(x, axis=1), np.argsort(x, axis=1)), x)
    judge(lambda x: (np.median(x, axis=1), np.count_nonzero(x > 0), x.mean(axis=1)), x)
    judge(lambda x: (x > 0).any(axis=0), x)
""",
    "long orders": """
for dtype in ("uint16", "float64"):
    x = rng.integers(0, 999, (1 << 17) + 3).astype(dtype)
    judge(lambda x: (np.sort(x), np.argsort(x, kind="stable")), x)
""",
    "products": """
for m, k, n in ((1, 7, 5), (5, 33, 17), (40, 19, 70)):
    for dtype in ("float32", "float64"):
        a, b = rng.random((m, k)).astype(dtype), rng.random((k, n)).astype(dtype)
        judge(lambda a, b: (a @ b, b.T @ a.T, a @ b[:, 0]), a, b)
""",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages are locked by mprotect")
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_walls_hold(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SETUP + PROGRAMS[name]],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
