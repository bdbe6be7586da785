"""Draws whose parameters are traced: numbers of a plain stream, scaled; whole numbers and places of
items that native code draws below what the data say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import UnsupportedError
from .concrete import all_known, known, plain
from .native_draws import weakened
from .noting import note_error
from .tracer import Tracer

if TYPE_CHECKING:
    from .drawing import Draws

# Of what is computed from numbers of a plain stream: its name, the parameters with their defaults.
_SCALED: dict[str, tuple[str, dict[str, Any], Callable[..., Any]]] = {
    "normal": ("standard_normal", {"loc": 0.0, "scale": 1.0}, lambda z, a, b: a + b * z),
    "uniform": ("random", {"low": 0.0, "high": 1.0}, lambda u, a, b: a + (b - a) * u),
    "exponential": ("standard_exponential", {"scale": 1.0}, lambda e, b: b * e),
    "lognormal": (
        "standard_normal", {"mean": 0.0, "sigma": 1.0}, lambda z, a, b: np.exp(a + b * z)
    ),
}  # fmt: skip


_WHOLE = frozenset({"randint", "integers", "randrange"})
_INTEGERS = (
    "randint",
    "integers",
)  # what draws whole numbers of NumPy's older and newer generators
_NOTHING = (
    ValueError("a cannot be empty unless no samples are taken"),
    IndexError("Cannot choose from an empty sequence"),
)  # of NumPy's and of Python's


def settled(args: Any, options: Any, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments that must be known, as NumPy takes them."""
    for value in (*args, *options.values()):
        if hasattr(type(value), "__mlc_lift__") and known(value) is value and not value.shape:
            value._number("int", f"pass what {name} is to take as a number that is known")
    return plain(tuple(args)), plain(options)


def of_traced(draws: Draws, source: Any, name: str, args: Any, options: Any) -> Any:
    """A draw whose parameters are traced."""
    if name == "choice":
        chosen = _of_range if is_range(args) else _chosen
        return chosen(draws, source, *args, **options)
    if name in _WHOLE and all_known(list(options.values())):
        return _below(draws, source, name, args, options)
    if name not in _SCALED or type(source).__name__ == "Random" and name != "uniform":
        _refuse(name, args, options)
    base, defaults, formula = _SCALED[name]
    given = dict(zip((*defaults, "size"), args)) | options
    size = given.pop("size", None)
    params = [given.pop(key, value) for key, value in defaults.items()]
    if given:
        raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(given))!r}")
    is_scalar = size is None and not any(np.shape(p) for p in params)
    if size is None and not is_scalar:
        size = np.broadcast_shapes(*(np.shape(p) for p in params))
    wanted: Any = () if type(source).__name__ == "Random" else (known(size),)
    made = formula(draws.draw(source, base, wanted, {}), *params)
    return weakened(made) if is_scalar else made


def _chosen(
    draws: Draws, source: Any, a: Any, size: Any = None, replace: Any = True, p: Any = None,
    **options: Any,
) -> Any:  # fmt: skip
    """``choice`` of traced items, or with traced probabilities."""
    from .creation import make

    if options:
        raise UnsupportedError("choice of traced values takes size, replace and p alone")
    is_list = isinstance(a, (list, tuple))
    if is_list:
        a = make("array", (a,), {})
    is_python = type(source).__name__ == "Random"
    if is_python and np.ndim(a) != 1:
        raise UnsupportedError("choice of Python's random picks from lists and arrays of numbers")
    count = _length(a) if np.ndim(a) else a
    if is_python or p is None and replace and size is None and not all_known([count]):
        index = _place(draws, source, count)
        found = a[index] if np.ndim(a) else index
        return weakened(found) if is_list and is_python else found
    if all_known([p, count, size, replace]):
        args = plain((count, size, replace, p))
        index = draws.draw(source, "choice", args, {})
    elif replace and all_known([count, size]):
        if np.shape(p) != (known(count),):
            raise ValueError("'a' and 'p' must have same size")
        index = _by_probability(draws, source, p, known(size))
    else:
        settled((count, size, replace), {}, "choice")
        raise UnsupportedError(
            "choice of as many items as the data say, or by probabilities that they decide, cannot "
            "be traced with this size and replace; draw one item at a time, choice(items)"
        )
    return np.copy(a[index]) if np.ndim(a) > 1 else a[index] if np.shape(a) else index


def is_range(args: tuple[Any, ...]) -> bool:
    """Whether a draw is one of the items of a range with bounds that the data decide."""
    return bool(args) and hasattr(type(args[0]), "items_by_number")


def _of_range(draws: Draws, source: Any, a: Any, *rest: Any, **options: Any) -> Any:
    """``choice`` of the items of a range, without a list of them."""
    count, item = a.items_by_number()
    if type(source).__name__ != "Random":
        return item(_chosen(draws, source, count, *rest, **options))
    return weakened(item(_place(draws, source, count)))


def _place(draws: Draws, source: Any, count: Any) -> Any:
    """The place of one of ``count`` items, which may be for the data to say."""
    is_python = type(source).__name__ == "Random"
    note_error(np.less(count, 1), _NOTHING[is_python])
    name = "randrange" if is_python else _INTEGERS[hasattr(source, "integers")]
    return _below(draws, source, name, (np.maximum(count, 1),), {})


def _length(a: Any) -> Any:
    """How many items ``a`` has, which may be for the data to say."""
    from .open_lengths import sizes_of

    return sizes_of(a)[0] if isinstance(a, Tracer) else np.shape(a)[0]


def _below(draws: Draws, source: Any, name: str, args: Any, options: dict[str, Any]) -> Any:
    """A whole number below a limit that data decide, drawn by native code."""
    kinds = {v.dtype.kind for v in args if hasattr(type(v), "__mlc_lift__")}
    if kinds <= {"i", "u"} and not any(map(np.shape, args[:2])):
        limits = (0, 9) if len(args) > 1 else (9,)  # in the place of those that are not known
        made = draws.native(source, name, args, options, (*limits, *args[2:]))
        if made is not NotImplemented:
            return made
    _refuse(name, args, options)


def _refuse(name: str, args: Any, options: Any) -> NoReturn:
    """A number among the arguments is asked for its value; what the data decide has none."""
    settled(args, options, name)
    raise UnsupportedError(
        f"{name} of a random generator with a parameter that data decide cannot be traced; "
        f"draw numbers from 0 to 1, or standard normal ones, and compute from them"
    )


def _by_probability(draws: Draws, source: Any, p: Any, size: Any) -> Any:
    """Places, by probabilities that data decide, as NumPy finds them."""
    from ..ops.insisting import insisted

    p = np.asarray(p).astype(np.float64) if isinstance(p, (list, tuple)) else p.astype(np.float64)
    p = insisted(p, ~(p >= 0), error="DomainError", sentence="Probabilities are not non-negative")
    total = np.sum(p)
    off = np.reshape(~(np.abs(total - 1) <= 1.5e-8), (1,))
    p = insisted(p, off, error="DomainError", sentence="Probabilities do not sum to 1.")
    ends = np.cumsum(p)
    found = np.searchsorted(
        ends / ends[-1], draws.draw(source, "random", (size,), {}), side="right"
    )
    return weakened(found) if size is None else found
