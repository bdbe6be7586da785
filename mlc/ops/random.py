"""Random bits from counters: each element is a function of a key and of its own number.

The function is Threefry-2x32 with 20 rounds: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel
random numbers: as easy as 1, 2, 3", SC 2011. No element depends on another, so results are the same
whatever the order, the number of threads or the number of elements.
"""

from __future__ import annotations

from typing import Any

from .. import te
from ..dtypes import uint32, uint64
from ..errors import ArgumentError
from ..ir.expr import Expr, cast, const
from .broadcast import as_tensor
from .op import op

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


@op
def random_words(key: Any, first: Any, *, count: int, stream: int) -> Any:
    """``count`` words of uint64 for the counters from ``first`` on, in one of 2**32 streams.

    ``key`` holds two words of uint32. The counter's own high word is folded into the stream's, so
    that counters count modulo 2**32 beyond the first 2**32 of a stream only in another one.
    """
    words = as_tensor(key)
    if words.shape != (2,) or words.dtype is not uint32:
        raise ArgumentError(
            f"a key is an array of two numbers of uint32, as mlc.random.key makes; got "
            f"{words.dtype.name}{list(words.shape)}"
        )
    start = as_tensor(first)

    def body(i: Expr) -> Expr:
        counter = cast(start[()], uint64) + cast(i, uint64)
        high = cast(counter >> const(32, uint64), uint32) ^ const(stream, uint32)
        x, y = threefry((words[0], words[1]), high, cast(counter, uint32))
        return (cast(x, uint64) << const(32, uint64)) | cast(y, uint64)

    return te.compute((count,), body, name="random_words")


def threefry(key: tuple[Expr, Expr], x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """The two words that Threefry-2x32-20 makes of the counter ``(x, y)``."""
    keys = (*key, key[0] ^ key[1] ^ const(_PARITY, uint32))
    x, y = x + keys[0], y + keys[1]
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x = x + y
            y = ((y << const(bits, uint32)) | (y >> const(32 - bits, uint32))) ^ x
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + const(group + 1, uint32)
    return x, y
