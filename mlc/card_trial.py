"""What a child process runs to say whether cards do right what is made for their kind alone.

:mod:`mlc.runtime.cuda.trial` starts it, and reads what it writes: "begun" once a kernel for any
card has done right; then "right", "wrong" and a sentence, or "unknown" and one where the card could
not be asked, as when its memory is full.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import te
from .build import build
from .config import config
from .dtypes import as_dtype
from .errors import DeviceMemoryError
from .jit import jit
from .schedules.defaults.gpu import GpuMachine, default_gpu_schedule

Array = np.ndarray[Any, Any]
KEYS = 390  # tiles of which take slots that others have left, and do not fill the last one
ATTENTION_ERROR = 3 * 2.0**-11  # weights and results are rounded to 11 bits, and are 1 at most


@dataclass(frozen=True)
class Product:
    """``m`` by ``n`` sums of ``k`` products, each operand as it is or turned. ``skipped`` columns
    before those of the left one keep it from coming as boxes."""

    m: int
    n: int
    k: int
    dtype: str
    turned: tuple[bool, bool] = (False, False)
    skipped: int = 0
    processors: int = 1  # that it is made for: of two or more, pairs of blocks share boxes

    def __str__(self) -> str:
        return f"a {self.m} x {self.n} x {self.k} product of {self.dtype}"


PRODUCTS = (
    Product(128, 128, 128, "float16"),
    Product(128, 256, 128, "bfloat16", (False, True)),
    Product(192, 320, 192, "float16", (False, True)),  # more tiles than blocks
    Product(64, 64, 192, "bfloat16", (True, False)),
    Product(128, 128, 192, "float16", (False, False), 4),  # fetched by all threads
    Product(512, 128, 192, "bfloat16", (False, True), processors=2),  # the right operand is shared
    Product(128, 128, 320, "float16", (True, False), processors=2),  # the left one is
    Product(504, 120, 184, "float16", (True, True), processors=2),  # boxes reach past the ends
)


def main(target: str, numbers: Sequence[int], settings: Mapping[str, Any]) -> None:
    """Try the cards of these numbers, or what runs ``target`` if there are none. ``settings`` are
    those of this process, with the architecture to try."""
    from .runtime.cuda.card import card

    for name, value in settings.items():
        setattr(config, name, value)
    places = [card().use(number) for number in numbers] or [nullcontext()]
    try:
        for place in places:
            with place:
                ones = jit(lambda x: x + 1, target=target)(np.zeros(1000, np.float32))
            if not (ones == 1).all():
                _end("unknown a kernel for any card did wrong")
        _tell("begun")
        for place in places:
            with place:
                for found in _faults(target):
                    _end(f"wrong {found}")
    except DeviceMemoryError as error:
        _end(f"unknown {error.message}")
    _end("right")


def _tell(text: str) -> None:
    sys.stdout.write(text.partition("\n")[0] + "\n")
    sys.stdout.flush()


def _end(text: str) -> None:
    _tell(text)
    sys.exit(0)


def _faults(target: str) -> Iterator[str]:
    for product in PRODUCTS:
        got, exact = multiplied(product, target)
        if not np.array_equal(got, exact.astype(got.dtype)):
            yield f"{product} is up to {_error(got, exact):.3g} from the exact result"
    found = _error(*attended(target))
    if not found < ATTENTION_ERROR:
        yield f"attention over {KEYS} keys is up to {found:.3g} from the exact result"


def _error(got: Array, exact: Array) -> float:
    return float(abs(got.astype(np.float64) - exact).max())


def multiplied(product: Product, target: str) -> tuple[Array, Array]:
    """A product of small integers and the exact one: all but the last rounding is exact."""
    m, n, k, skipped = product.m, product.n, product.k, product.skipped
    is_turned, right_turned = product.turned
    a = te.placeholder((k, m) if is_turned else (m, k + skipped), product.dtype, "A")
    b = te.placeholder((n, k) if right_turned else (k, n), product.dtype, "B")
    r = te.reduce_axis(k, "r")

    def element(i: Any, j: Any) -> Any:
        left = a[r, i] if is_turned else a[i, r + skipped if skipped else r]
        right = b[j, r] if right_turned else b[r, j]
        return te.sum(te.cast(left, "float32") * te.cast(right, "float32"), axis=r)

    y = te.compute((m, n), element, name="Y")
    c = te.compute((m, n), lambda i, j: te.cast(y[i, j], product.dtype), name="C")
    program = te.create_program([a, b, c], "product")
    architecture = config.cuda_architecture or ""
    # Small ones are large enough for few processors.
    machine = GpuMachine(processors=product.processors, architecture=architecture)
    run = build(default_gpu_schedule(program, machine).program, target=target)
    rng, kind = np.random.default_rng(k), as_dtype(product.dtype).numpy
    given = [rng.integers(-8, 8, tensor.shape).astype(kind) for tensor in (a, b)]
    got = np.zeros((m, n), kind)
    run(*given, got)
    left, right = (array.astype(np.float64) for array in given)
    left = left.T if is_turned else left[:, skipped:]
    return got, left @ (right.T if right_turned else right)


def attended(target: str) -> tuple[Array, Array]:
    """Attention of 16-bit floats, of 130 rows over :data:`KEYS`, and the exact result."""

    def attention(q: Any, k: Any, v: Any) -> Any:
        scores = q @ np.swapaxes(k, -1, -2)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True) @ v

    rng = np.random.default_rng(0)
    given = [rng.uniform(-1, 1, (2, n, 64)).astype(np.float16) for n in (130, KEYS, KEYS)]
    got = jit(attention, target=target)(*given)
    return got, attention(*(array.astype(np.float64) for array in given))
