"""Views by steps: what np.lib.stride_tricks.as_strided makes of an array of known strides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ir.expr import Expr
from .aliasing import Others, Static, View
from .broadcast import as_tensor
from .op import op
from .shape import moved

Moves = tuple[tuple[int, ...], ...]


def moves_of(steps: Sequence[int], shape: Sequence[int], strides: Sequence[int]) -> Moves | None:
    """How far the index into an array of that shape and those strides moves for each of the
    ``steps``, which are in bytes; None where a step is no sum of strides."""
    order = sorted(
        (d for d, n in enumerate(shape) if n > 1 and strides[d]), key=lambda d: -abs(strides[d])
    )
    found = []
    for step in steps:
        move = [0] * len(shape)
        for d in order:
            move[d] = int(step / strides[d])
            step -= move[d] * strides[d]
        if step:
            return None
        found.append(tuple(move))
    return tuple(found)


def is_inside(moves: Moves, sizes: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether as many steps as ``sizes`` say never leave an array of that shape."""
    if 0 in sizes:
        return True
    for d, n in enumerate(shape):
        ends = [move[d] * (size - 1) for move, size in zip(moves, sizes, strict=True)]
        if sum(end for end in ends if end < 0) < 0 or sum(end for end in ends if end > 0) >= n:
            return False
    return True


def _array(x: Any, others: Others, static: Static) -> Any:
    steps = [
        sum(m * step for m, step in zip(move, x.strides, strict=True)) for move in static["moves"]
    ]
    return np.lib.stride_tricks.as_strided(x, static["shape"], steps)


def _written(x: Any, value: Any, others: Others, static: Static) -> Any:
    from .update import setitem

    sizes, moves = static["shape"], np.array(static["moves"], int).reshape(len(static["shape"]), -1)
    places = np.tensordot(moves.T, np.indices(sizes), 1)
    if len(np.unique(places.reshape(len(places), -1), axis=1).T) < int(np.prod(sizes)):
        raise UnsupportedError(
            "np.lib.stride_tricks.as_strided gave a view that has elements more than once, so it "
            "cannot be written to; write to the array itself, or make a .copy()"
        )
    return setitem(x, tuple(places), value)


def _body(x: Any, shape: tuple[int, ...], moves: Moves) -> Any:
    x = as_tensor(x)

    def source(index: Sequence[Expr]) -> list[Expr]:
        places: list[Any] = []
        for d in range(x.ndim):
            place: Any = 0
            for i, move in zip(index, moves, strict=True):
                if move[d]:
                    place = place + i * move[d]
            places.append(place)
        return places

    return moved(x, shape, source, "strided")


@op(view=View(_written, _array))
def strided(x: Any, *, shape: tuple[int, ...], moves: Moves) -> Any:
    """The elements of ``x`` from its first one on, ``moves[k]`` further for each step along axis
    ``k`` of the result."""
    return _body(x, shape, moves)


@op(view=View(None, _array))
def strided_to_read(x: Any, *, shape: tuple[int, ...], moves: Moves) -> Any:
    """The same, not to be written to."""
    return _body(x, shape, moves)
