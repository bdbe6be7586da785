"""Rows for divisors, bits, Bessel's function and polynomials of roots."""

from __future__ import annotations

import numpy as np

from .cases import Case, ulp
from .inputs import BOOL, FLOATS, INTEGERS, broadcastable, one_array, shaped
from .table_reduce import matrices

BYTES = (np.dtype("uint8"),)

CASES = [
    Case("gcd", np.gcd, broadcastable(dtypes=INTEGERS[:-1])),
    Case("lcm", np.lcm, broadcastable(dtypes=INTEGERS[:-1], kind="small")),
    Case(
        "gcd.reduce",
        lambda x: (np.gcd.reduce(x), np.gcd.reduce(x, axis=(0, 1)), np.gcd.reduce(x[:0])),
        matrices(INTEGERS[:4]),
    ),
    Case(
        "lcm.reduce",
        lambda x: np.lcm.reduce(x, axis=-1, keepdims=True),
        matrices(INTEGERS[1:4], "small"),
    ),
    Case(
        "packbits",
        lambda x: (np.packbits(x), np.packbits(x, axis=0, bitorder="little")),
        matrices(BOOL + INTEGERS, min_side=0, max_side=11),
    ),
    Case(
        "unpackbits",
        lambda x: (
            np.unpackbits(x),
            np.unpackbits(x, axis=1, bitorder="little"),
            np.unpackbits(x, axis=0, count=-3),
            np.unpackbits(x, count=70),
        ),
        matrices(BYTES, "any"),
    ),
    Case("packbits of one number", np.packbits, one_array(BOOL, max_dims=1)),
    Case("i0", np.i0, one_array(FLOATS[:3], "finite", max_dims=1), ulp(4)),
    Case("poly", np.poly, shaped(("n",), dtypes=FLOATS[1:3], sides=(1, 4)), same=True),
    Case("real_if_close", np.real_if_close, one_array(FLOATS[:3], max_dims=1)),
]
