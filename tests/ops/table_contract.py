"""Rows for products of two arrays and more."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case, Tolerance
from .inputs import ALL, BFLOAT16, FLOATS, NUMBERS, shaped

IEEE = tuple(d for d in FLOATS if d.kind == "f")
NATIVE = tuple(d for d in ALL if d != BFLOAT16)


def product(
    name: str, function: Any, *shapes: Any, dtypes: Any = NATIVE, kind: str = "small"
) -> Case:
    """Small integers in any dtype: sums of products are exact in most, bounded in all."""
    return Case(name, function, shaped(*shapes, dtypes=dtypes, kind=kind), Tolerance(2, function))


def _einsum(text: str) -> Any:
    def function(*arrays: Any) -> Any:
        return np.einsum(text, *arrays)

    return function


_EINSUM = {
    "ij,jk->ik": ("ij", "jk"), "ij,jk": ("ij", "jk"), "ij->ji": ("ij",), "ij->": ("ij",),
    "ii->i": ("ii",), "ii": ("ii",), "i,j->ij": ("i", "j"), "bij,bjk->bik": ("bij", "bjk"),
    "ij,kj->ik": ("ij", "kj"), "ijk->ik": ("ijk",), "i,i->": ("i", "i"), "ba": ("ij",),
    "ij,jk,kl->il": ("ij", "jk", "kl"), "ij,j,i": ("ij", "j", "i"), "ij,kl->": ("ij", "kl"),
    "bhid,bhjd->bhij": ("bhid", "bhjd"), "ijij->ij": ("ijij",),
}  # fmt: skip

CASES = [
    product("matmul", lambda a, b: a @ b, "ik", "kj"),
    product("matmul of floats", lambda a, b: a @ b, "ik", "kj", dtypes=IEEE, kind="finite"),
    product("matmul vector matrix", lambda a, b: np.matmul(a, b), "k", "kj"),
    product("matmul matrix vector", lambda a, b: np.matmul(a, b), "ik", "k"),
    product("matmul vectors", lambda a, b: a @ b, "k", "k"),
    product("matmul batched", lambda a, b: a @ b, "bik", "bkj"),
    product("matmul broadcast", lambda a, b: a @ b, (1, "c", "i", "k"), ("b", 1, "k", "j")),
    product("matmul batch vector", lambda a, b: a @ b, "bik", "k"),
    product("matmul transposed", lambda a, b: a.T @ b.T, "ki", "jk"),
    product("dot", lambda a, b: np.dot(a, b), "ik", "kj"),
    product("dot vectors", lambda a, b: np.dot(a, b), "k", "k"),
    product("dot 3-d", lambda a, b: np.dot(a, b), "aik", "bkj"),
    product("vdot", lambda a, b: np.vdot(a, b), "ij", "ij"),
    product("inner", lambda a, b: np.inner(a, b), "ik", "jk"),
    product("outer", lambda a, b: np.outer(a, b), "ij", "k"),
    product("tensordot", lambda a, b: np.tensordot(a, b), "ijk", "jkl"),
    product("tensordot axes", lambda a, b: np.tensordot(a, b, ((0, 2), (2, 1))), "ijk", "aki"),
    product("tensordot outer", lambda a, b: np.tensordot(a, b, 0), "i", "j"),
    product("kron", lambda a, b: np.kron(a, b), "ij", "kl", dtypes=NUMBERS[:-1]),
    product("trace", lambda a: np.trace(a, offset=1), "ij"),
    *(
        product(f"einsum {t}", _einsum(t), *shapes, dtypes=NUMBERS[:-1])
        for t, shapes in _EINSUM.items()
    ),
    product("einsum ellipsis", _einsum("...ij,...jk->...ik"), "bcij", "cjk", dtypes=NUMBERS[:-1]),
    product("einsum ellipsis implied", _einsum("...i,...i"), "bi", "bi", dtypes=NUMBERS[:-1]),
]
