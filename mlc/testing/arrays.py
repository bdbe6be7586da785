"""hypothesis strategies for arrays as NumPy users have them, and for index expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, UnsupportedError
from ..ir.expr import Axis, Expr, select
from .closeness import is_inexact, limits

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

LAYOUTS = ("C", "transposed", "reversed", "strided", "offset")
FLOATS = ("float32", "float64")
DTYPES = (*FLOATS, "int32", "int64", "bool", "uint8", "int8", "int16", "uint16", "uint32", "uint64",
          "float16")  # fmt: skip
SPECIAL = (np.nan, np.inf, -np.inf, -0.0)


def require_hypothesis() -> None:
    """Raises UnsupportedError if hypothesis is not installed."""
    try:
        import hypothesis  # noqa: F401
    except ImportError:
        raise UnsupportedError(
            "this part of mlc.testing draws its examples with hypothesis, which is not installed; "
            "install it (pip install hypothesis, or mlc with the extra [dev]); "
            "mlc.testing.check_against_numpy needs no hypothesis"
        ) from None


def dtypes(*names: Any) -> SearchStrategy[np.dtype[Any]]:
    """One of the dtypes named; of float32, float64, int32, int64, bool, the other integers and
    float16 if none is."""
    require_hypothesis()
    from hypothesis import strategies as st

    return st.sampled_from([_dtype(name) for name in names or DTYPES])


def _dtype(value: Any) -> np.dtype[Any]:
    try:
        return np.dtype(value)
    except TypeError:
        raise ArgumentError(f"expected a dtype such as 'float32', got {value!r}") from None


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 9
) -> SearchStrategy[tuple[int, ...]]:
    """Shapes, empty ones and () included."""
    for least, most, what in ((min_dims, max_dims, "dims"), (min_side, max_side, "side")):
        if not 0 <= least <= most:
            raise ArgumentError(
                f"mlc.testing.shapes: min_{what} and max_{what} must be 0 <= min <= max, got "
                f"{least} and {most}"
            )
    require_hypothesis()
    from hypothesis import strategies as st

    return st.lists(
        st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims
    ).map(tuple)  # fmt: skip


def broadcastable_shapes(
    count: int = 2, max_dims: int = 3, min_side: int = 1, max_side: int = 6
) -> SearchStrategy[tuple[tuple[int, ...], ...]]:
    """``count`` shapes that NumPy broadcasts against each other."""
    if count < 0:
        raise ArgumentError(f"mlc.testing.broadcastable_shapes: count must be 0 or more: {count}")
    require_hypothesis()
    from hypothesis import strategies as st

    @st.composite
    def drawn(draw: DrawFn) -> tuple[tuple[int, ...], ...]:
        whole = draw(shapes(0, max_dims, min_side, max_side))
        made = []
        for _ in range(count):
            kept = whole[draw(st.integers(0, len(whole))) if draw(st.booleans()) else 0 :]
            made.append(tuple(1 if draw(st.integers(0, 4)) == 4 else side for side in kept))
        return tuple(made)

    return drawn()


def layouts(array: np.ndarray[Any, Any]) -> SearchStrategy[np.ndarray[Any, Any]]:
    """Arrays equal to ``array``: in C order, transposed, reversed, with steps between elements, or
    not at the start of their memory."""
    require_hypothesis()
    from hypothesis import strategies as st

    array = np.asarray(array)
    ways = LAYOUTS if array.ndim else ("C", "offset")
    return st.sampled_from(ways).map(lambda way: laid_out(array, way))


def laid_out(array: np.ndarray[Any, Any], way: str) -> np.ndarray[Any, Any]:
    """``array`` once more, laid out in one of the :data:`LAYOUTS`; one of no axes has one order."""
    if way in LAYOUTS[:4] and not array.ndim:
        return array.copy()
    match way:
        case "C":
            return array.copy()
        case "transposed":
            return np.asarray(array.T.copy().T)
        case "reversed":
            return np.asarray(array[..., ::-1].copy()[..., ::-1])
        case "strided":
            wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
            wide[..., ::2] = array
            return wide[..., ::2]
        case "offset":
            held = np.zeros(array.size + 1, array.dtype)
            held[1:] = array.ravel()
            return held[1:].reshape(array.shape)
    raise ArgumentError(f"expected one of {', '.join(LAYOUTS)}, got {way!r}")


def arrays(
    dtype: Any = "float32",
    shape: Any = None,
    *,
    elements: Any = None,
    special: bool = False,
    layout: str = "any",
) -> SearchStrategy[np.ndarray[Any, Any]]:
    """Arrays of ``dtype`` and ``shape``, each of which may be a strategy; shapes are drawn if none
    is given.

    Numbers are of magnitude up to 10 with few digits, so that failing cases are readable, or drawn
    from the strategy ``elements``. ``special`` lets in NaN, infinities and -0.0, and for integers
    the least and the greatest. ``layout`` is one of "C", "transposed", "reversed", "strided" and
    "offset", or "any".
    """
    require_hypothesis()
    from hypothesis import strategies as st

    if not isinstance(dtype, st.SearchStrategy):
        dtype = _dtype(dtype)
    if shape is not None and not isinstance(shape, st.SearchStrategy):
        _sides(shape)
    if layout not in (*LAYOUTS, "any"):
        raise ArgumentError(f"expected a layout of {', '.join(LAYOUTS)} or any, got {layout!r}")

    @st.composite
    def drawn(draw: DrawFn) -> np.ndarray[Any, Any]:
        kind = _dtype(draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype)
        sides = shapes() if shape is None else shape
        sides = draw(sides) if isinstance(sides, st.SearchStrategy) else sides
        sides = _sides(sides)
        total = int(np.prod(sides, dtype=int))
        each = elements if elements is not None else numbers(kind, special)
        # One list: hypothesis shrinks each number.
        values = draw(st.lists(each, min_size=total, max_size=total))
        array = np.array(values, kind).reshape(sides)
        ways = LAYOUTS if array.ndim else ("C",)
        return laid_out(array, draw(st.sampled_from(ways)) if layout == "any" else layout)

    return drawn()


def _sides(shape: Any) -> tuple[int, ...]:
    """``shape``, a size or several, as a tuple."""
    sides = shape if isinstance(shape, (tuple, list, np.ndarray)) else (shape,)
    if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in sides):
        raise ArgumentError(
            f"expected a shape such as (3, 4), a size, or a strategy for shapes such as "
            f"mlc.testing.shapes(), got {shape!r}"
        )
    return tuple(map(int, sides))


def numbers(dtype: Any, special: bool = False) -> SearchStrategy[Any]:
    """Numbers for an array of ``dtype``, as :func:`arrays` has them."""
    require_hypothesis()
    from hypothesis import strategies as st

    kind = _dtype(dtype)
    if kind.kind == "b":
        return st.booleans()
    if kind.kind in "iu":
        info = np.iinfo(kind)
        plain = st.integers(max(info.min, -9), 9)
        return plain | st.sampled_from([info.min, info.max]) if special else plain
    if not is_inexact(kind):
        raise ArgumentError(f"expected a dtype of numbers, got {kind}")
    steps = st.integers(-80, 80).map(lambda n: n / 8)
    fine = st.integers(-10_000, 10_000).map(lambda n: n / 999)
    found: SearchStrategy[Any] = steps | fine
    if special:
        found |= st.sampled_from([*SPECIAL, float(limits(kind).max)])
    if kind.kind == "c":
        return st.tuples(found, found).map(lambda pair: complex(*pair))
    return found


def operands(
    names: Sequence[str] | None,
    count: int,
    sizes: Mapping[str, tuple[int, int]],
    kinds: Sequence[Any],
    elements: Any,
) -> SearchStrategy[tuple[Any, ...]]:
    """Arguments for :func:`mlc.testing.check_op`."""
    unused = set(sizes) - {part for text in names or () for part in text.split()}
    if unused:
        said = f"has only {list(names)}" if names is not None else "is not given"
        raise ArgumentError(f"sizes= bounds {', '.join(sorted(unused))}, but shapes= {said}")
    for name, bounds in sizes.items():
        low, high = bounds if isinstance(bounds, (tuple, list)) and len(bounds) == 2 else (-1, -1)
        if not 0 <= low <= high:
            raise ArgumentError(
                f"sizes= has for each name the least and the greatest size, such as "
                f'{{"{name}": (3, 9)}}, got {bounds!r}; a fixed size stands in shapes= itself'
            )
    kinds = [_dtype(kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    require_hypothesis()
    from hypothesis import strategies as st

    @st.composite
    def drawn(draw: DrawFn) -> tuple[Any, ...]:
        kind = draw(dtypes(*kinds))
        chosen: Sequence[tuple[int, ...]]
        if names is None:
            chosen = draw(broadcastable_shapes(count))
        else:
            known: dict[str, int] = {}
            for name in (part for text in names for part in text.split()):
                if name not in known:
                    low, high = sizes.get(name, (1, 6))
                    known[name] = int(name) if name.isdigit() else draw(st.integers(low, high))
            chosen = [tuple(known[part] for part in text.split()) for text in names]
        return tuple(draw(arrays(kind, shape, elements=elements)) for shape in chosen)

    return drawn()


def index_expressions(
    *extents: int, max_depth: int = 3
) -> SearchStrategy[tuple[tuple[Axis, ...], Expr]]:
    """Axes of these ``extents`` and an index over them, as te bodies and schedules make them: sums
    and multiples of axes, quotients and remainders, smallest and largest, choices.

    All of it is int64; divisors are positive. An index may be of any sign.
    """
    _sides(extents)
    require_hypothesis()
    from hypothesis import strategies as st

    axes = tuple(
        Axis("ijklmnop"[n % 8] + (str(n // 8) if n >= 8 else ""), extent)
        for n, extent in enumerate(extents)
    )

    @st.composite
    def drawn(draw: DrawFn, depth: int = max_depth) -> Any:
        kind = draw(st.integers(0, 8 if depth else 1))
        if kind == 0 and axes:
            return draw(st.sampled_from(axes))
        if kind <= 1:
            from ..ir.expr import const

            return const(draw(st.integers(-4, 9)), "int64")
        one = draw(drawn(depth - 1))
        match kind:
            case 2 | 3:
                return one + draw(drawn(depth - 1))
            case 4:
                return one * draw(st.integers(-3, 6))
            case 5:
                return one // draw(st.integers(1, 6))
            case 6:
                return one % draw(st.integers(1, 6))
            case 7:
                return one - draw(drawn(depth - 1))
        other = draw(drawn(depth - 1))
        return select(one < draw(st.integers(-2, 9)), one, other)

    return drawn().map(lambda index: (axes, index))
