"""Default schedules for cards, of every kind, are Python to paste: it makes the same loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.ir.structural import structural_key

SINGLE, HALF = np.float32, np.float16
Array = np.ndarray[Any, Any]


def normed(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def grown(x: Array) -> Array:
    x = x.copy()
    for i in range(1, len(x)):
        x[i] += np.tanh(x[i - 1])
    return x


def arrays(*shapes: tuple[int, ...], dtype: Any = SINGLE) -> tuple[Array, ...]:
    return tuple(np.zeros(shape, dtype) for shape in shapes)


# The steps of a schedule are told apart by comments: what chose them.
CASES: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "schedule_points": (lambda x: x * 2 + 1, arrays((4096,))),
    "schedule_points_together": (lambda z: z**z, arrays((300,), dtype=np.complex64)),
    "schedule_rows": (normed, arrays((64, 300))),
    "schedule_columns": (lambda x: x.sum(axis=0), arrays((200, 300))),
    "split_long_folds": (np.sum, arrays((1 << 20,))),
    "schedule_transpose": (lambda x: x.T + 1, arrays((256, 256))),
    "schedule_contraction": (np.matmul, arrays((256, 64), (64, 256))),
    "split_contractions": (np.matmul, arrays((64, 2048), (2048, 64))),
    "a_pad, b_pad = s.pad_einsum": (lambda a, b: a @ b, arrays((33, 4099), (4099, 35))),
    "schedule_tensor_cores": (np.matmul, arrays((100, 70), (70, 90), dtype=HALF)),
    "schedule_wgmma": (np.matmul, (np.zeros((2048, 136), HALF)[:, :128],
                                   *arrays((128, 1024), dtype=HALF))),
    "schedule_boxes": (np.matmul, arrays((2048, 128), (128, 1024), dtype=HALF)),
    "schedule_chain": (grown, arrays((12, 40))),
    "s.on_grid": (np.cumsum, arrays((1000,))),
}  # fmt: skip


@pytest.mark.parametrize("way", CASES)
def test_a_schedule_that_is_pasted_makes_the_same_loops(way: str) -> None:
    function, arguments = CASES[way]
    architecture = "sm_90a" if way in ("schedule_wgmma", "schedule_boxes") else "sm_80"
    with mlc.config.override(cuda_architecture=architecture):
        lowered = mlc.jit(function, target="cuda-emulated").lower(*arguments)
        kernels = lowered.compiled.kernels
    met = ""
    for kernel in kernels:
        source = kernel.schedule.source()
        names: dict[str, Any] = {"mlc": mlc, "np": np}
        exec(compile(source, "<pasted>", "exec"), names)
        (pasted,) = (f for name, f in names.items() if name.endswith("_schedule"))
        made = pasted(kernel.program)
        assert structural_key(made) == structural_key(kernel.schedule.program)
        met += source
    assert way in met
