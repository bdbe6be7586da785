"""The table of cases: what is timed on a card, and smaller shapes for emulation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from benchmarks import functions as f

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]


@dataclass(frozen=True)
class Case:
    """One function on standard normal inputs.

    ``flops`` counts additions and multiplications, transcendental functions as one; ``depth`` is
    the longest sum. Both are functions of the shapes. ``small`` are shapes for emulation. ``ours``
    makes what mlc's users would write where NumPy has no such function.
    """

    name: str
    group: str
    function: Callable[..., Any]
    shapes: Shapes
    small: Shapes
    flops: Callable[[Shapes], int]
    depth: Callable[[Shapes], int] = lambda shapes: 1
    dtype: str = "float32"
    ours: Callable[[], Callable[..., Any]] | None = None
    architecture: str = ""  # that its kernels are made for alone; "" for what all cards have

    def setting(self) -> AbstractContextManager[object]:
        """In which mlc compiles it."""
        import mlc

        return mlc.config.override(cuda_architecture=self.architecture or "sm_80")

    def inputs(self, shapes: Shapes) -> tuple[np.ndarray[Any, Any], ...]:
        """The arrays, seeded; weights are smaller the longer the sums are."""
        import ml_dtypes

        dtype = np.dtype(ml_dtypes.bfloat16 if self.dtype == "bfloat16" else self.dtype)
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
        if self.group in ("products", "attention", "convolutions"):
            arrays[1:] = [a * np.float32(self.depth(shapes) ** -0.5) for a in arrays[1:]]
        return tuple(array.astype(dtype) for array in arrays)


def _each(count: int) -> Callable[[Shapes], int]:
    """So many operations for each element of the first input."""
    return lambda shapes: count * prod(shapes[0])


def _last(shapes: Shapes) -> int:
    return shapes[0][-1]


def _size(shapes: Shapes) -> int:
    return prod(shapes[0])


def _product(shapes: Shapes) -> int:
    return 2 * prod(shapes[0]) * shapes[1][-1]


def _attention(shapes: Shapes) -> int:
    heads, rows, width = shapes[0]
    return heads * rows * rows * (4 * width + 4)


def _convolution(shapes: Shapes) -> int:
    (_, h, w), (out, inner, kh, kw) = shapes
    return 2 * out * inner * kh * kw * (h - kh + 1) * (w - kw + 1)


LONG, WIDE = (1 << 26,), (1 << 13, 1 << 13)
SOME, ROWS = (1000,), (1 << 13, 1 << 12)

_MEMORY = [
    Case("add", "elementwise", f.add, (LONG, LONG), (SOME, SOME), _each(1)),
    Case("add f16", "elementwise", f.add, (LONG, LONG), (SOME, SOME), _each(1), dtype="float16"),
    Case("chain of 8", "elementwise", f.chain, (LONG, LONG), (SOME, SOME), _each(8)),
    Case("chain, exp, tanh", "elementwise", f.chain_math, (LONG, LONG), (SOME, SOME), _each(8)),
    Case("gelu", "elementwise", f.gelu_tanh, (LONG,), (SOME,), _each(8)),
    Case("softmax", "rows", f.softmax, (ROWS,), ((9, 200),), _each(5), _last),
    Case("softmax f16", "rows", f.softmax, (ROWS,), ((9, 200),), _each(5), _last, "float16"),
    Case("softmax of short rows", "rows", f.softmax, ((1 << 18, 128),), ((33, 16),), _each(5),
         _last),
    Case("layer norm", "rows", f.layer_norm, (ROWS, ROWS[1:], ROWS[1:]), ((9, 200), (200,), (200,)),
         _each(8), _last),
    Case("rms norm", "rows", f.rms_norm, (ROWS, ROWS, ROWS[1:]), ((9, 200), (9, 200), (200,)),
         _each(6), _last),
    Case("sum of all", "folds", f.reduction("sum", None), (LONG,), (SOME,), _each(1), _size),
    Case("sum of rows", "folds", f.reduction("sum", 1), (WIDE,), ((20, 300),), _each(1), _last),
    Case("sum of columns", "folds", f.reduction("sum", 0), (WIDE,), ((300, 20),), _each(1),
         lambda shapes: shapes[0][0]),
    Case("argmax of rows", "folds", f.argmax, (WIDE,), ((20, 300),), _each(1)),
    Case("transpose", "moves", f.transpose, (WIDE,), ((70, 45),), _each(0)),
    Case("stencil", "moves", f.stencil, (WIDE,), ((40, 70),), _each(5)),
    Case("scan of rows", "scans", f.cumsum, (WIDE,), ((8, 100),), _each(1), _last),
    Case("scan of one line", "scans", f.cumsum, (LONG,), ((5000,),), _each(1), _last),
    Case("sort of one line", "sorts", f.sort, ((1 << 24,),), ((3000,),), _each(0)),
    Case("order of one line", "sorts", f.argsort, ((1 << 22,),), ((3000,),), _each(0)),
    Case("sort of rows", "sorts", f.sort, (WIDE,), ((8, 100),), _each(0)),
]  # fmt: skip


def _products() -> list[Case]:
    made = [
        Case(f"product f32 {n}", "products", f.matmul, ((n, n), (n, n)), ((40, 50), (50, 30)),
             _product, _last)
        for n in (2048, 4096)
    ]  # fmt: skip
    for dtype, label in (("float16", "f16"), ("bfloat16", "bf16")):
        for n in (4096, 8192):
            made.append(Case(f"product {label} {n}", "products", f.matmul, ((n, n), (n, n)),
                             ((64, 64), (64, 64)), _product, _last, dtype))  # fmt: skip
    n = 4096
    made += [
        Case("product f16 odd", "products", f.matmul, ((4001, 4001), (4001, 4001)),
             ((33, 17), (17, 21)), _product, _last, "float16"),
        Case("product f16 4000", "products", f.matmul, ((4000, 4000), (4000, 4000)),
             ((72, 56), (56, 40)), _product, _last, "float16"),
        Case("dense relu f16", "products", f.dense_relu, ((n, n), (n, n), (n,)),
             ((64, 64), (64, 64), (64,)), _product, _last, "float16"),
        Case("products in a batch", "products", f.matmul, ((256, 256, 256), (256, 256, 256)),
             ((3, 20, 30), (3, 30, 20)), _product, _last),
        Case("product of many steps", "products", f.matmul, ((256, 1 << 16), (1 << 16, 256)),
             ((20, 1024), (1024, 24)), _product, _last),
    ]  # fmt: skip
    return made


_HEADS = [
    Case(f"attention {label} width {width}", "attention", f.attention, ((32, 4096, width),) * 3,
         ((2, 48, 16),) * 3, _attention, lambda shapes: shapes[0][1], dtype)
    for width in (64, 128)
    for dtype, label in (("bfloat16", "bf16"), ("float32", "f32"))
]  # fmt: skip

_DECODING = [
    Case(f"decoding bf16 keys {keys}", "attention", f.attention,
         ((64, 1, 128), (64, keys, 128), (64, keys, 128)), ((2, 1, 64), (2, 600, 64), (2, 600, 64)),
         lambda shapes: 4 * prod(shapes[1]), lambda shapes: shapes[1][1], "bfloat16")
    for keys in (4096, 32768)
]  # fmt: skip

_CONVOLUTIONS = [
    Case("convolution 3x3", "convolutions", f.conv2d, ((64, 226, 226), (64, 64, 3, 3)),
         ((4, 10, 11), (6, 4, 3, 3)), _convolution, lambda shapes: prod(shapes[1][1:]),
         ours=lambda: f.mlc_conv2d(1)),
]  # fmt: skip

# Of these the small sizes are large enough for groups of four warps, and boxes.
_SMALL_FOR_GROUPS: dict[str, Shapes] = {
    "products": ((768, 128), (128, 768), (768,)), "attention": ((2, 200, 64),) * 3,
}  # fmt: skip


_GROUPED = ("product bf16", "product f16 4096", "dense relu", "attention bf16")


def _for_hopper(cases: list[Case]) -> list[Case]:
    """Those of large products of 16-bit floats, made for Hopper alone."""
    return [
        replace(
            case,
            name=f"{case.name} sm_90a",
            small=_SMALL_FOR_GROUPS[case.group][: len(case.small)],
            architecture="sm_90a",
        )
        for case in cases
        if case.name.startswith(_GROUPED)
    ]


_PLAIN = [*_MEMORY, *_products(), *_HEADS, *_DECODING, *_CONVOLUTIONS]
CASES = [*_PLAIN, *_for_hopper(_PLAIN)]


def selected(words: list[str]) -> list[Case]:
    """The cases whose name or group has one of ``words`` in it; all of them without words."""
    return [c for c in CASES if not words or any(w in f"{c.group} {c.name}" for w in words)]
