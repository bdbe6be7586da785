"""Rows for operators that move, join, cut, pick or make elements: all exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, ulp
from .inputs import ALL, FLOATS, INTEGERS, SIGNED, shaped

IEEE = tuple(d for d in FLOATS if d.kind == "f")
SOME = ALL[:3] + FLOATS[1:]


def move(
    name: str, function: Any, *shapes: Any, sides: tuple[int, int] = (0, 5), dtypes: Any = SOME
) -> Case:
    return Case(name, function, shaped(*shapes, dtypes=dtypes, sides=sides))


def fixed(name: str, function: Any, *shapes: Any, dtypes: Any = SOME) -> Case:
    return Case(name, function, shaped(*shapes, dtypes=dtypes, kind="any"))


_INDEX: dict[str, Any] = {
    "int": np.s_[1], "negative int": np.s_[-1], "two ints": np.s_[1, -2], "slice": np.s_[1:3],
    "step": np.s_[::2], "reverse": np.s_[::-1], "reverse step": np.s_[3:0:-2, ::-1],
    "ellipsis": np.s_[..., 1], "new axis": np.s_[:, None, 1:, np.newaxis], "empty": np.s_[3:1],
    "all": np.s_[...], "beyond": np.s_[-100:100], "list": np.s_[[0, 2, -1]],
    "array": np.s_[np.array([[0, 1], [2, 3]])], "array second": np.s_[:, np.array([0, 2, 1])],
    "arrays": np.s_[np.array([0, 1]), np.array([2, 0])],
    "arrays broadcast": np.s_[np.array([[0], [1]]), np.array([2, 0, 1])],
    "arrays apart": np.s_[np.array([0, 1]), :, np.array([1, 2])],
    "array and int": np.s_[1, :, np.array([1, 2])], "int and array": np.s_[:, 1, np.array([0, 2])],
    "array and slice": np.s_[1:, np.array([0, 0])], "array ellipsis": np.s_[..., np.array([0, -1])],
    "array new axis": np.s_[np.array([0, 1]), None], "empty list": np.s_[[]],
}  # fmt: skip

_RESHAPES = [
    ((6, 4), (4, 6)),
    ((24,), (2, 3, 4)),
    ((2, 3, 4), (24,)),
    ((2, 3, 4), (6, 4)),
    ((6, 4), (2, 3, 4)),
    ((6, 4), (2, 12)),
    ((4, 6), (3, 8)),
    ((1, 3), (3,)),
    ((3,), (1, 3, 1)),
    ((3, 1, 2), (3, 2)),
    ((), (1, 1)),
    ((1,), ()),
    ((0, 3), (0,)),
    ((2, 0), (0, 5)),
    ((2, 3, 4), (2, -1)),
    ((2, 3, 4), (4, 3, 2)),
    ((5, 4), -1),
]


CASES = [
    *(fixed(f"reshape {a} to {b}", lambda x, b=b: np.reshape(x, b), a) for a, b in _RESHAPES),
    *(fixed(f"index {n}", lambda x, k=k: x[k], (4, 5, 3)) for n, k in _INDEX.items()),
    fixed("index mask", lambda x: x[np.array([True, False, True])], (3, 4)),
    move("ravel", lambda x: x.ravel(), "ij"),
    move("transpose", lambda x: x.T, "ijk"),
    move("transpose axes", lambda x: x.transpose(2, 0, 1), "ijk"),
    move("moveaxis", lambda x: np.moveaxis(x, (0, -1), (1, 0)), "ijk"),
    move("swapaxes", lambda x: np.swapaxes(x, 0, -1), "ijk"),
    move("rollaxis", lambda x: np.rollaxis(x, 2), "ijk"),
    move("matrix_transpose", np.matrix_transpose, "ijk"),
    move("expand_dims", lambda x: np.expand_dims(x, (0, -1)), "ij"),
    fixed("squeeze", lambda x: np.squeeze(x), (1, 3, 1, 2)),
    fixed("squeeze axis", lambda x: np.squeeze(x, 0), (1, 3, 1)),
    move("broadcast_to", lambda x: np.broadcast_to(x, (3, 2, x.shape[0], 4)), ("i", 1)),
    move("broadcast_arrays", lambda x, y: np.broadcast_arrays(x, y), ("i", 1), "j"),
    move("atleast", lambda x: (np.atleast_1d(x), np.atleast_2d(x), np.atleast_3d(x)), "i"),
    move("concatenate", lambda x, y: np.concatenate([x, y]), "ij", "kj"),
    move("concatenate many", lambda x, y: np.concatenate([x, y, x, x, y], axis=1), "ij", "ik"),
    move("concatenate flat", lambda x, y: np.concatenate([x, y], axis=None), "ij", "k"),
    Case(
        "concatenate dtypes",
        lambda x, y: np.concatenate([x, y]),
        shaped("ij", "kj", dtypes=ALL[:-1], same_dtype=False),
    ),
    move("stack", lambda x, y: np.stack([x, y], axis=-1), "ij", "ij"),
    move("vstack hstack", lambda x, y: (np.vstack([x, y]), np.hstack([x, y])), "i", "i"),
    move("dstack", lambda x, y: np.dstack([x, y]), "ij", "ij"),
    move("column_stack", lambda x, y: np.column_stack([x, y]), "i", "ij"),
    move("append", lambda x, y: np.append(x, y), "ij", "k"),
    move("split", lambda x: np.split(x, 3, axis=1), ("i", 6)),
    move("split at", lambda x: np.split(x, [1, 4]), ("i", 2)),
    move("array_split", lambda x: np.array_split(x, 3), "ij"),
    move("hsplit vsplit", lambda x: np.hsplit(x, 2) + np.vsplit(x, 2), (4, 6)),
    move("flip", lambda x: (np.flip(x), np.flip(x, 0), np.fliplr(x), np.flipud(x)), "ij"),
    move("rot90", lambda x: tuple(np.rot90(x, k) for k in range(-1, 4)), "ij"),
    move("roll", lambda x: (np.roll(x, 2), np.roll(x, -7, 0), np.roll(x, (1, 2), (0, 1))), "ij"),
    move("repeat", lambda x: (np.repeat(x, 2), np.repeat(x, 3, axis=1)), "ij"),
    move("repeat each", lambda x: np.repeat(x, [1, 0, 2], axis=1), ("i", 3)),
    move("tile", lambda x: (np.tile(x, 2), np.tile(x, (2, 1, 3))), "ij"),
    move("pad", lambda x: np.pad(x, 1), "ij"),
    move("pad value", lambda x: np.pad(x, ((0, 2), (1, 0)), constant_values=7), "ij"),
    *(
        move(f"pad {m}", lambda x, m=m: np.pad(x, ((5, 3), (0, 4)), mode=m), "ij", sides=(1, 4))
        for m in ("edge", "reflect", "symmetric", "wrap")
    ),
    move("diagonal", lambda x: (np.diagonal(x), np.diagonal(x, 1, 0, 1), np.diagonal(x, -2)), "ij"),
    move("diagonal axes", lambda x: np.diagonal(x, 0, 2, 0), "ijk"),
    move("diag", lambda x: (np.diag(x), np.diag(x, 2), np.diag(x, -1)), "i", sides=(1, 4)),
    move("tril triu", lambda x: (np.tril(x), np.triu(x, 1), np.tril(x, -1)), "ij"),
    move(
        "take",
        lambda x, y: np.take(x, np.abs(y.astype(int)) % 4, axis=1),
        ("i", 4),
        "jk",
        dtypes=SIGNED,
    ),
    move("take flat", lambda x: np.take(x, [0, -1, 3]), (2, 3)),
    move(
        "take modes",
        lambda x: (np.take(x, [9, -5], mode="wrap"), np.take(x, [9, -5], mode="clip")),
        (4,),
    ),
    move("index traced", lambda x, y: x[y.astype(int) % 5], (5, "i"), "jk", dtypes=INTEGERS),
    move(
        "index traced negative",
        lambda x, y: x[:, y.astype(int) % 5 - 5],
        ("i", 5),
        "j",
        dtypes=INTEGERS,
    ),
    move(
        "index traced scalar", lambda x, y: x[1:, y.astype(int) % 5], ("i", 5), (), dtypes=INTEGERS
    ),
    move(
        "index traced pair",
        lambda x, y, z: x[y.astype(int) % 4, :, z.astype(int) % 3],
        (4, "i", 3),
        "jk",
        "k",
        dtypes=INTEGERS,
    ),
    move(
        "take_along_axis",
        lambda x, y: np.take_along_axis(x, y.astype(int) % 4, axis=1),
        ("i", 4),
        "ij",
        dtypes=INTEGERS,
    ),
    move(
        "diff", lambda x: (np.diff(x), np.diff(x, 2, 0), np.diff(x, prepend=1)), "ij", dtypes=SIGNED
    ),
    move(
        "windows",
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)),
        "ij",
        sides=(3, 6),
    ),
    move("trapezoid", lambda x: np.trapezoid(x, dx=0.5, axis=0), "ij", dtypes=SIGNED),
    move("like", lambda x: (np.zeros_like(x), np.ones_like(x), np.full_like(x, 3)), "ij"),
    move("meshgrid", lambda x, y: np.meshgrid(x, y), "i", "j"),
    move("meshgrid ij", lambda x, y: np.meshgrid(x, y, indexing="ij", sparse=True), "i", "j"),
    Case(
        "linspace of traced ends",
        lambda x, y: np.linspace(x, y, 5),
        shaped("i", "i", dtypes=IEEE[1:]),
        ulp(8),
    ),
    Case(
        "geomspace of traced ends",
        lambda x, y: np.geomspace(-abs(x) - 1, -abs(y) - 2, 5, axis=1),
        shaped("i", "i", dtypes=IEEE[1:]),
        ulp(8),
    ),
]
