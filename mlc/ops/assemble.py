"""Many writes to parts of one array, done in one pass: each part is copied to its place once.

Parts are items (see `mlc.ops.index`) without index arrays: numbers and slices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..ir.expr import Expr, const
from .index import Items
from .op import op
from .programs import Writer, nested, threads

Part = tuple[Items, Any]  # where, and the elements


def part_shape(items: Items) -> tuple[int, ...]:
    """The shape of the view that ``items`` name."""
    return tuple(1 if item is None else item[2] for item in items if not isinstance(item, int))


def spans(items: Items) -> list[tuple[int, int]]:
    """The least and the greatest index along each axis."""
    found = []
    for item in items:
        if isinstance(item, int):
            found.append((item, item))
        elif item is not None:
            start, step, size = item
            last = start + step * (size - 1)
            found.append((min(start, last), max(start, last)))
    return found


def are_apart(a: Items, b: Items) -> bool:
    """Whether two parts share no element, for certain."""
    if 0 in part_shape(a) or 0 in part_shape(b):
        return True
    return any(p[1] < q[0] or q[1] < p[0] for p, q in zip(spans(a), spans(b), strict=True))


def inside(part: Items, outer: Items) -> Items | None:
    """``part`` of an array as items for its part ``outer``; None unless it lies inside."""
    found: list[Any] = []
    axes = iter(item for item in outer if item is not None)
    if None in outer:
        return None
    for item in part:
        if item is None:
            found.append(None)
            continue
        around = next(axes)
        if isinstance(around, int):
            if item != around:
                return None
            continue
        start, step, size = around
        if step != 1:
            return None
        if isinstance(item, int):
            if not start <= item < start + size:
                return None
            found.append(item - start)
        else:
            low, high = spans((item,))[0]
            if item[2] and not (start <= low and high < start + size):
                return None
            found.append((item[0] - start if item[2] else 0, item[1], item[2]))
    return tuple(found)


def is_covered(shape: Sequence[int], parts: Sequence[Items]) -> bool:
    """Whether the parts are apart and make up the whole array."""
    if sum(math.prod(part_shape(items)) for items in parts) != math.prod(shape):
        return False
    return all(are_apart(a, b) for n, a in enumerate(parts) for b in parts[:n])


@op
def assemble(base: Any, parts: Any, *, places: tuple[Items, ...], shape: Any) -> Any:
    """``base`` with each of ``parts`` written to its place, in order; None for a base of ``shape``
    that is covered by the parts."""
    first = parts[0]
    w = Writer("assemble")
    old = None if base is None else w.input("old", base.shape, base.dtype)
    sources = [w.input(f"part{n}", part.shape, part.dtype) for n, part in enumerate(parts)]
    out = w.output("out", shape, first.dtype)
    if old is not None:
        if base.shape != shape:
            raise ShapeError(f"the array has shape {base.shape}, not {shape}")
        with (
            w.loop(shape[0], "i", threads(shape[0], math.prod(shape))) as i,
            nested(w, shape[1:], "c") as rest,
        ):
            here = (i, *rest)
            w.store(out, here, old[here])
    for items, source in zip(places, sources, strict=True):
        with nested(w, source.shape, "p") as index:
            given = iter(index)
            target: list[Expr] = []
            for item in items:
                if isinstance(item, int):
                    target.append(const(item))
                elif item is None:
                    next(given)
                else:
                    start, step, _ = item
                    target.append(next(given) * step + start)
            w.store(out, target, source[tuple(index)])
    given_tensors = parts if base is None else [base, *parts]
    return w.call(*given_tensors)
