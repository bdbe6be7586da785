"""The table of cases. A new case is one line here, and a function beside its likes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import functions as f

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One function on inputs of given shapes (of ``dtype``, standard normal, seeded).

    ``flops`` counts additions and multiplications, transcendental functions as one; bytes are those
    of the inputs and of the result, each moved once. ``depth`` is the longest reduction, which sets
    how much rounding is granted; weights are drawn smaller by its square root. ``ours`` makes what
    mlc's users would write where NumPy has no such function. ``exact`` is the function over
    float64, if that is another one.
    """

    name: str
    group: str
    function: Callable[..., Any]
    shapes: tuple[Shape, ...]
    flops: int = 0
    depth: int = 1
    dtype: str = "float32"
    ours: Callable[[], Callable[..., Any]] | None = None
    exact: Callable[..., Any] | None = None

    def inputs(self) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(0)
        if self.dtype == "int8":
            return tuple(rng.integers(-128, 128, shape, np.int8) for shape in self.shapes)
        kind = np.float64 if self.dtype == "float64" else np.float32
        arrays = [rng.standard_normal(shape, dtype=kind) for shape in self.shapes]
        if self.group in ("contractions", "models"):
            arrays[1:] = [array * kind(self.depth**-0.5) for array in arrays[1:]]
        if self.dtype == "bfloat16":
            import ml_dtypes

            return tuple(array.astype(ml_dtypes.bfloat16) for array in arrays)
        return tuple(arrays)


def _elementwise() -> list[Case]:
    table: list[tuple[str, Callable[..., Any], int, int]] = [
        ("chain8", f.chain, 2, 8),
        ("chain8 exp tanh", f.chain_math, 2, 8),
        ("gelu tanh", f.gelu_tanh, 1, 8),
    ]
    sizes = {"1e4": 10_000, "1e5": 100_000, "1e6": 1_000_000, "1e7": 10_000_000}
    cases = [
        Case(f"{name} {label}", "elementwise", function, ((n,),) * inputs, flops * n)
        for name, function, inputs, flops in table
        for label, n in sizes.items()
        if name != "gelu tanh" or label == "1e6"
    ]
    return [
        *cases,
        Case("add broadcast row 1024", "elementwise", f.add, ((1024, 1024), (1024,)), 1 << 20),
        Case("add broadcast outer 1024", "elementwise", f.add, ((1024, 1), (1, 1024)), 1 << 20),
        Case("transpose 1024", "elementwise", f.transpose, ((1024, 1024),)),
        Case("transpose 4096", "elementwise", f.transpose, ((4096, 4096),)),
        Case("stencil 1024", "elementwise", f.stencil, ((1024, 1024),), 5 << 20),
    ]


def _rows() -> list[Case]:
    n, square = 1024, (1024, 1024)
    return [
        Case("softmax 1024", "rows", f.softmax, (square,), 4 * n * n, n),
        Case("softmax 32x50257", "rows", f.softmax, ((32, 50257),), 4 * 32 * 50257, 50257),
        Case("layer norm 1024", "rows", f.layer_norm, (square, (n,), (n,)), 7 * n * n, n),
        Case(
            "layer norm 1024x768",
            "rows",
            f.layer_norm,
            ((n, 768), (768,), (768,)),
            7 * n * 768,
            768,
        ),
        Case(
            "rms norm 1024x768", "rows", f.rms_norm, ((n, 768),) * 2 + ((768,),), 5 * n * 768, 768
        ),
        Case("argmax 1024", "rows", f.argmax, (square,)),
        Case("cumsum 1024", "rows", f.cumsum, (square,), n * n, n),
        Case("cumsum 1e6", "rows", f.cumsum, ((1_000_000,),), 1_000_000, 1_000_000),
    ]


def _reductions() -> list[Case]:
    cases = []
    for n in (1024, 4096):
        for name, flops in (("sum", 1), ("mean", 1), ("max", 1), ("var", 4)):
            for axis in (0, 1, None):
                function = f.reduction(name, axis)
                depth = n if axis is not None else n * n
                label = f"{name} axis={axis} {n}"
                cases.append(Case(label, "reductions", function, ((n, n),), flops * n * n, depth))
        for axis in (0, 1, None):
            label = f"argmax axis={axis} {n}"
            cases.append(Case(label, "reductions", f.reduction("argmax", axis), ((n, n),)))
        for axis in (0, 1):
            function, label = f.reduction("cumsum", axis), f"cumsum axis={axis} {n}"
            cases.append(Case(label, "reductions", function, ((n, n),), n * n, n))
    shapes = {"tall": (65536, 256), "narrow": (1_000_000, 3), "one row": (1, 1_000_000)}
    for label, shape in shapes.items():
        axis = int(shape[0] == 1)
        for name, flops in (("sum", 1), ("var", 4)):
            size, depth = shape[0] * shape[1], shape[axis]
            function = f.reduction(name, axis)
            cases.append(
                Case(f"{name} {label}", "reductions", function, (shape,), flops * size, depth)
            )
    return cases


def _contractions() -> list[Case]:
    sizes = [(n, n, n) for n in (16, 32, 64, 128, 256, 512, 1024, 2048)]
    sizes += [(1, 1024, 1024), (4, 1024, 1024), (1024, 1024, 8), (1024, 16, 1024)]
    sizes += [(1, 4096, 4096), (8, 4096, 4096), (64, 768, 3072), (4096, 64, 4096)]
    cases = [
        Case(f"matmul {m}x{k}x{n}", "contractions", f.matmul, ((m, k), (k, n)), 2 * m * k * n, k)
        for m, k, n in sizes
    ]
    for m, k, n in ((128, 128, 128), (512, 784, 128), (1024, 1024, 1024)):
        name = f"relu(x@w+b) {m}x{k}x{n}"
        shapes = ((m, k), (k, n), (n,))
        cases.append(Case(name, "contractions", f.dense_relu, shapes, 2 * m * k * n, k))
    batch, m, k, n = 48, 128, 64, 128
    shapes = ((batch, m, k), (batch, k, n))
    flops = 2 * batch * m * k * n
    cases.append(Case("matmul 48x128x64x128", "contractions", f.matmul, shapes, flops, k))
    for n in (256, 512, 1024, 2048):
        shapes = ((n, n),) * 2
        name = f"matmul int8 {n}"
        cases.append(
            Case(name, "contractions", f.matmul_int8, shapes, 2 * n**3, n, "int8", exact=f.matmul)
        )
    m, k, n = 8, 768, 3072
    for name, function, exact, shape in (
        ("matmul int8 8x768x3072", f.matmul_int8, f.matmul, (k, n)),
        ("int8 a @ b.T 8x768x3072", f.matmul_int8_nt, f.matmul_nt, (n, k)),
    ):
        shapes, work = ((m, k), shape), 2 * m * k * n
        cases.append(Case(name, "contractions", function, shapes, work, k, "int8", exact=exact))
    cases.append(
        Case("matmul bfloat16 1024", "contractions", f.matmul, ((1024, 1024),) * 2, 2 * 1024**3,
             1024, "bfloat16")
    )  # fmt: skip
    image, kernel = (64, 58, 58), (64, 64, 3, 3)
    flops = 2 * 64 * 56 * 56 * 64 * 9
    cases.append(
        Case("conv2d 64x58x58 3x3", "contractions", f.conv2d, (image, kernel), flops, 576,
             ours=lambda: f.mlc_conv2d(1))
    )  # fmt: skip
    image, kernel = (3, 230, 230), (64, 3, 7, 7)
    flops = 2 * 64 * 112 * 112 * 3 * 49
    cases.append(
        Case("conv2d 3x230x230 7x7/2", "contractions", f.conv2d_stride2, (image, kernel), flops,
             147, ours=lambda: f.mlc_conv2d(2))
    )  # fmt: skip
    points = ((256, 64), (256, 64))
    flops = 3 * 256 * 256 * 64
    cases.append(Case("distances 256x256x64", "contractions", f.distances, points, flops, 64))
    return cases


def _models() -> list[Case]:
    weights = ((784, 128), (128,), (128, 10), (10,))
    cases = [
        Case(f"mlp 784-128-10 b{b}", "models", f.mlp, ((b, 784), *weights), 203_264 * b, 784)
        for b in (1, 64, 1024)
    ]
    for s in (128, 512):
        heads = ((12, s, 64),) * 3
        flops = 4 * 12 * s**2 * 64
        cases.append(Case(f"attention h12 s{s}", "models", f.attention, heads, flops, s))
    return cases


def _layers() -> list[Case]:
    images, square, long = (8, 64, 56, 56), (1024, 1024), (1_000_000,)
    return [
        Case("max pool 3x3/2", "layers", f.max_pool, (images,), ours=lambda: f.mlc_pool("max")),
        Case("mean pool 3x3/2", "layers", f.mean_pool, (images,), ours=lambda: f.mlc_pool("avg")),
        Case("depthwise 64x58x58 3x3", "layers", f.depthwise, ((64, 58, 58), (64, 3, 3)),
             2 * 64 * 56 * 56 * 9, 9, ours=f.mlc_depthwise),
        Case("batch norm 8x64x56x56", "layers", f.batch_norm, (images, (64,), (64,)), depth=25088),
        Case("log softmax 1024", "layers", f.log_softmax, (square,), 5 << 20, 1024),
        Case("row norms 1024", "layers", f.row_norms, (square,), 2 << 20, 1024),
        Case("sort 1e6", "order", f.sort, (long,)),
        Case("sort rows 1024", "order", f.sort, (square,)),
        Case("running maximum 1e6", "order", f.running_maximum, (long,)),
        Case("pairs 1e6", "moves", f.pairs, (long, long)),
        Case("upper triangle 1024", "moves", f.upper_triangle, (square,)),
        Case("outer 2048", "moves", f.outer, ((2048,), (2048,)), 1 << 22),
        Case("choose and clip 1e6", "elementwise", f.choose, (long, long), 4_000_000),
    ]  # fmt: skip


def _more_contractions() -> list[Case]:
    n = 1024
    product = 2 * n**3
    return [
        Case(f"a.T @ b {n}", "contractions", f.matmul_tn, ((n, n),) * 2, product, n),
        Case(f"a @ b.T {n}", "contractions", f.matmul_nt, ((n, n),) * 2, product, n),
        Case(f"a @ a.T {n}", "contractions", f.own_rows, ((n, n),), n**3, n),  # half is enough
        Case(
            "a.T @ a 2000x500", "contractions", f.own_columns, ((2000, 500),), 500**2 * 2000, 2000
        ),
        Case(f"matmul float64 {n}", "contractions", f.matmul, ((n, n),) * 2, product, n, "float64"),
        Case("matmul 1000 x 8x8", "contractions", f.matmul, ((1000, 8, 8),) * 2, 1_024_000, 8),
        Case("matmul 10000 x 3x3", "contractions", f.matmul, ((10_000, 3, 3),) * 2, 540_000, 3),
        Case("einsum of 4", "contractions", f.chain_of_four, ((128, 128),) * 4, 6 * 128**3, 2048),
    ]


CASES: tuple[Case, ...] = (
    *_elementwise(),
    *_rows(),
    *_reductions(),
    *_contractions(),
    *_models(),
    *_layers(),
    *_more_contractions(),
)


def selected(words: list[str]) -> list[Case]:
    """The cases whose name or group contains every part of one of ``words``; all without any."""
    if not words:
        return list(CASES)
    return [case for case in CASES if any(word in f"{case.group} {case.name}" for word in words)]
