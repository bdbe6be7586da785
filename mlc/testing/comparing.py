"""Whether a compiled function does what a NumPy function does."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CompileError, MlcError
from .closeness import RAISED, is_inexact, limits

SHAKES = 6
TRIES = 4  # before results are called different: decisions may need several to come out so
FACTOR = 16  # of the spread that errors of a few units in the last place cause

Run = Callable[..., Any]
Ran = tuple[list[tuple[str, Any]], list[tuple[str, Any]]]


@dataclass(frozen=True)
class Outcome:
    """``kind`` is "same", "refused" (a clear error of mlc), "unstable" (NumPy's own result depends
    on rounding in shape or dtype) or "different"; ``error`` is what mlc raised, if it did;
    ``raised`` whether "same" is an error of both."""

    kind: str
    text: str = ""
    error: BaseException | None = None
    raised: bool = False


def _other_parts(got: Sequence[str], want: Sequence[str]) -> str:
    """What is there, and what should be, in the words of :func:`_flat`."""
    more = [name for name in got if name not in want]
    less = [name for name in want if name not in got]
    parts = [f"there is {', '.join(more)}"] if more else []
    parts += [f"{', '.join(less)} is missing"] if less else []
    return " and ".join(parts) or f"the results are {', '.join(got)} instead of {', '.join(want)}"


def compare(
    compiled: Run, reference: Run, perturbed: Callable[[int], Run], args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
) -> Outcome:  # fmt: skip
    """Runs ``reference`` and, twice, ``compiled`` on copies of the arguments, and compares what
    they return and what the arguments hold afterwards: structure, shapes, dtypes, and values up to
    what ``perturbed(seed)`` says that rounding may change. Where the reference raises an error,
    the other must, too."""
    kwargs = kwargs or {}
    try:
        want = run(reference, args, kwargs)
    except Exception as wanted:
        return _raises_too(compiled, wanted, args, kwargs)
    try:
        first, second = run(compiled, args, kwargs), run(compiled, args, kwargs)
    except CompileError as error:  # a bug of the compiler is no refusal
        return _crashed(error)
    except MlcError as error:
        return Outcome("refused", str(error).partition("\n")[0], error)
    except Exception as error:
        return _crashed(error)
    for tried in range(TRIES):
        seeds = range(tried * SHAKES, (tried + 1) * SHAKES)
        factor = 2 if tried else FACTOR  # what is near is no nearer with more of them
        outcome = _judged(want, first, second, perturbed, args, kwargs, seeds, factor)
        if outcome.kind != "different" or outcome.error is not None:
            break
    return outcome


def _judged(
    want: Ran, first: Ran, second: Ran, perturbed: Callable[[int], Run], args: Sequence[Any],
    kwargs: Mapping[str, Any], seeds: Iterable[int], factor: float,
) -> Outcome:  # fmt: skip
    """The outcome, where rounding may change ``factor`` times what runs with ``seeds`` say."""
    try:
        others = [_flat(run(perturbed(seed), args, kwargs)) for seed in seeds]
    except Exception as error:
        if _is_from_here(error):  # it was not the function that did this
            raise
        return Outcome("unstable")
    wants, firsts, seconds = _flat(want), _flat(first), _flat(second)
    if [name for name, _ in firsts] != [name for name, _ in wants]:
        return Outcome("different", _other_parts([n for n, _ in firsts], [n for n, _ in wants]))
    if any(len(other) != len(wants) for other in others):
        return Outcome("unstable")
    unsteady = False
    for n, (name, value) in enumerate(wants):
        try:
            text = differs(value, firsts[n][1], [other[n][1] for other in others], factor)
        except MlcError as error:  # something that is traced was returned
            return Outcome("different", f"{name}: {error}", error)
        if text is None:
            unsteady = True
            continue
        if text:
            return Outcome("different", f"{name}: {text}")
        one, two = np.asarray(firsts[n][1]), np.asarray(seconds[n][1])
        if one.dtype.kind != "O" and one.tobytes() != two.tobytes():
            return Outcome("different", f"{name}: other bits at the second call")
    return Outcome("unstable" if unsteady else "same")


def _crashed(error: Exception) -> Outcome:
    return Outcome("different", f"{type(error).__name__}: {error}", error)


def _is_from_here(error: Exception) -> bool:
    """Whether code of this package, and none that it calls, raised ``error``."""
    if hasattr(error, RAISED):
        return False
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_globals.get("__package__") == __package__


def _raises_too(
    compiled: Run, wanted: Exception, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Outcome:
    expected = f"{type(wanted).__name__}: {wanted}"
    try:
        run(compiled, args, kwargs)
    except CompileError as error:
        return _crashed(error)
    except (MlcError, type(wanted)):
        return Outcome("same", raised=True)
    except Exception as error:
        return Outcome("different", f"{type(error).__name__}: {error} instead of {expected}", error)
    return Outcome("different", f"no error instead of {expected}")


def run(function: Run, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> Ran:
    """The named leaves of what a call on copies of the arguments returns, and of these copies after
    it."""
    args, kwargs = [copied(value) for value in args], dict(kwargs or {})
    kwargs = {name: copied(value) for name, value in kwargs.items()}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        returned = function(*args, **kwargs)
    after = [leaf for i, a in enumerate(args) for leaf in _leaves(f"argument {i} afterwards", a)]
    after += [leaf for k, v in kwargs.items() for leaf in _leaves(f"{k} afterwards", v)]
    return list(_leaves("the result", returned)), after


def _flat(ran: Ran) -> list[tuple[str, Any]]:
    return [*ran[0], *ran[1]]


def _leaves(name: str, value: Any) -> list[tuple[str, Any]]:
    match value:
        case list() | tuple():
            items = [(f"{name}[{i}]", item) for i, item in enumerate(value)]
        case dict():
            items = [(f"{name}[{_equal_key(key)!r}]", item) for key, item in value.items()]
        case _:
            return [(name, value)]
    empty = [] if items else [(f"{name} is empty", None)]
    return empty + [leaf for key, item in items for leaf in _leaves(key, item)]


def _equal_key(key: Any) -> Any:
    """``key``, a Python number where it is one of NumPy's, which finds the same item."""
    return key.item() if isinstance(key, np.generic) else key


def copied(value: Any) -> Any:
    """A copy in the same layout; of each array in a list, tuple or dict, too."""
    match value:
        case list() | tuple():
            made = [copied(item) for item in value]
            return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
        case dict():
            return {key: copied(item) for key, item in value.items()}
        case np.ndarray() if not (value.flags.c_contiguous and value.flags.aligned):
            return _as_writeable(same_layout(value), value)
        case np.ndarray():
            return _as_writeable(value.copy(), value)
        case np.generic():
            return value
        case int() | float() | complex() | str() | None:
            return value
    return copy.copy(value)


def _as_writeable(made: np.ndarray[Any, Any], value: np.ndarray[Any, Any]) -> Any:
    if not value.flags.writeable:
        made.flags.writeable = False
    return made


def same_layout(value: np.ndarray[Any, Any]) -> Any:
    """A copy that can be written to, with the strides of ``value``."""
    base = value.base
    if not isinstance(base, np.ndarray) or value.size == 0:
        return value.copy(order="K")
    held = base.copy(order="K")
    if held.strides != base.strides:
        return value.copy(order="K")
    offset = value.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return np.ndarray(value.shape, value.dtype, held, offset, value.strides)


def differs(
    want: Any, got: Any, spread: Sequence[Any], factor: float = FACTOR
) -> str | None:  # fmt: skip
    """How ``got`` differs from ``want`` beyond rounding; "" if it does not; None if rounding
    decides shape or dtype. ``spread`` holds what else NumPy would say with other rounding, which
    may be off by ``factor`` times that. Arrays of shape () and scalars are the same: a jitted
    function returns scalars."""
    w, g = np.asarray(want), np.asarray(got)
    others = [np.asarray(other) for other in spread]
    if any(o.shape != w.shape or o.dtype != w.dtype for o in others):
        return None
    if w.dtype != g.dtype or w.shape != g.shape:
        return f"{g.dtype}{list(g.shape)} instead of {w.dtype}{list(w.shape)}"
    if not is_inexact(w.dtype):
        stable = np.all([o == w for o in others], axis=0) if others else True
        wrong = (w != g) & stable
    elif w.dtype.kind == "c":
        parts = [np.stack([v.real, v.imag], -1) for v in (w, g, *others)]
        wrong = _wrong_floats(parts[0], parts[1], parts[2:], factor, joint=True).any(-1)
        # Which part of what is no number is infinite or NaN depends on how products are expanded.
        wrong &= np.isfinite(w) | np.isfinite(g)
    else:
        wrong = _wrong_floats(w, g, others, factor)
    if not np.any(wrong):
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{g[at]!r} instead of {w[at]!r} at {at}"


def _wrong_floats(
    w: Any, g: Any, others: Sequence[Any], factor: float, joint: bool = False
) -> Any:  # fmt: skip
    """Where ``g`` is wrong; with ``joint`` the errors of the last axis count together."""
    wide = np.dtype(np.float64) if w.dtype.itemsize <= 8 else w.dtype
    want, got, rest = w.astype(wide), g.astype(wide), [o.astype(wide) for o in others]
    with np.errstate(all="ignore"):
        kinds = [np.isnan(o) == np.isnan(want) for o in rest]
        kinds += [np.isinf(o) == np.isinf(want) for o in rest]
        kinds += [(o == want) | ~np.isinf(want) for o in rest]
        stable = np.all(kinds, axis=0) if kinds else np.ones(want.shape, bool)
        if joint:
            stable = np.broadcast_to(stable.all(-1, keepdims=True), stable.shape)
        finite = np.isfinite(want)
        off = [np.abs(np.where(finite, o - want, 0)) for o in rest]
        info = limits(w.dtype)
        size = np.where(finite, np.abs(want), 0)
        bound = info.eps * size + (np.max(off, axis=0) if off else 0)
        if joint:
            bound = np.broadcast_to(bound.max(-1, keepdims=True), bound.shape)
        bound = factor * (bound + info.smallest_subnormal)
        # Where rounding may overflow, infinity is as right as the largest numbers.
        close = np.where(
            finite,
            (np.abs(got - want) <= bound) | (np.isinf(got) & (np.abs(want) > info.max * 0.999)),
            (got == want) | (np.isnan(got) & np.isnan(want)),
        )
        return ~close & stable
