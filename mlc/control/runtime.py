"""What transformed source calls: each decides whether to run as Python or to become native."""

from __future__ import annotations

import builtins
import math
import operator
import types
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

import numpy as np

from ..errors import MlcError, UnsupportedError
from ..ops.op import CURRENT
from ..te.extent import Extent
from ..tracer.concrete import known
from ..tracer.creation import stand_in as stand_in
from ..tracer.deciding import deciding_arguments
from ..tracer.lists import taking_lists
from ..tracer.not_handed_over import DRAWING, drawing, drawn
from ..tracer.number import copied_number, python_number
from ..tracer.tracer import Tracer
from .carry import UNDEFINED, NotNative, State, current
from .complex_state import INSTEAD as COMPLEX_INSTEAD
from .convert import converted
from .elementwise import vectorized
from .failing import before_raise, needs_flag
from .failing import failed as failed
from .forms import is_traced, native_for, native_if, native_while
from .hosts import hosts_in

Thunk = Callable[[], Any]
Touched = tuple[Any, ...]  # nothing, or names and what reads them, and a number
_UNROLLED = 160  # operations, by a rough count, that a loop may unroll to
_MOST_UNROLLED = 4096  # iterations of a loop that cannot be native
_SPENT = "iterations unrolled"
_PATIENCE = 24  # iterations after which a loop on known values tries to become native
# How often the loops around, unrolled, repeat what is traced now.
_repeats: ContextVar[int] = ContextVar("repeats", default=1)


class Range:
    """``range`` with a traced bound."""

    def __init__(self, *bounds: Any) -> None:
        start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        if is_traced(step):
            raise UnsupportedError("the step of a range must be known while tracing")
        self.start, self.stop, self.step = start, stop, operator.index(known(step))
        if self.step == 0:
            raise ValueError("range() arg 3 must not be zero")

    def __reversed__(self) -> Range:
        if abs(self.step) != 1:
            raise UnsupportedError(
                "reversed() of a range with traced bounds needs the step 1 or -1"
            )
        return Range(self.stop - self.step, self.start - self.step, -self.step)

    def __iter__(self) -> Any:
        raise UnsupportedError(
            "a range with a traced bound can only stand in a for statement of a jitted function "
            "whose source is at hand; use mlc.fori_loop"
        )


def native_range(*bounds: Any) -> Any:
    """``range(*bounds)`` for a ``for`` statement that is to be one native loop, however short.

    Takes traced bounds too. Outside of jitted functions it is Python's range. Raises
    :class:`UnsupportedError` where the loop cannot become native.
    """
    if not any(is_traced(b) for b in bounds):
        plain = builtins.range(*(operator.index(known(b)) for b in bounds))
        if CURRENT.get() is None or not plain:
            return plain
    if not 1 <= len(bounds) <= 3:
        raise TypeError(f"mlc.range expected 1 to 3 arguments, got {len(bounds)}")
    return Range(*bounds)


def range_(*bounds: Any) -> Any:
    """``range``, traced bounds included."""
    if any(is_traced(b) for b in bounds):
        return Range(*bounds)
    return builtins.range(*(operator.index(known(b)) for b in bounds))


def _length(value: Any) -> Any:
    """``len(value)``; of a slice in a loop, the traced number."""
    sizes: tuple[Any, ...] = value.shape if isinstance(value, Tracer) else ()
    if sizes and isinstance(sizes[0], Extent):
        from ..tracer.tracer import mark_weak

        return mark_weak(copied_number(Tracer(sizes[0].length, value._trace)))
    return builtins.len(value)


def _reversed(value: Any) -> Any:
    return value.__reversed__() if isinstance(value, Range) else builtins.reversed(value)


def _folded(name: str, ufunc: Any) -> Callable[..., Any]:
    plain = getattr(builtins, name)

    def fold(*args: Any, **options: Any) -> Any:
        values = list(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
        if options or len(values) < 2 or not any(is_traced(v) for v in values):
            return plain(*args, **options)
        result = values[0]
        for value in values[1:]:
            result = _scalar_choice(name, ufunc, result, value)
        return result

    return fold


def _scalar_choice(name: str, ufunc: Any, a: Any, b: Any) -> Any:
    if np.shape(a) or np.shape(b):
        raise UnsupportedError(f"{name}() of arrays has no meaning; use np.{ufunc.__name__}")
    from ..tracer.operators import _is_weak
    from ..tracer.tracer import mark_weak

    made = np.where(b > a if name == "max" else b < a, b, a)
    return mark_weak(made) if _is_weak(a) and _is_weak(b) else made


def _number(kind: type) -> Callable[..., Any]:
    def convert(*args: Any) -> Any:
        if len(args) != 1 or not is_traced(args[0]):
            return kind(*args)
        return python_number(args[0], kind)

    return convert


def _text(*args: Any, **options: Any) -> str:
    """``str(n)``: of what numbers among the arguments decide, a text that must be known."""
    if len(args) == 1 and isinstance(args[0], Tracer) and not options:
        if deciding_arguments(args[0]._tensor, args[0]._trace):
            return str(args[0]._number("str", "return the number, and make the text outside"))
    return str(*args, **options)


_CALL = "__call__"


def _scalar_of(kind: type[np.generic]) -> Callable[..., Any]:
    """``np.float32(x)`` of a traced value, which is an array of that dtype if ``x`` has axes."""

    def convert(*args: Any) -> Any:
        if len(args) != 1 or not is_traced(args[0]) or not issubclass(kind, np.number | np.bool):
            return kind(*args)
        value = args[0]
        if getattr(value, "_is_weak", False) and value.dtype == kind:
            return copied_number(value)  # which promotes as an array does
        return value.astype(kind)

    return convert


def call(function: Any) -> Any:
    """What to call in the place of ``function``."""
    try:
        found = _INSTEAD.get(function)
    except TypeError:
        found = None
    if found is not None:
        return found
    if type(function) is np.vectorize:
        return vectorized(function)
    if type(function) is np.ufunc:
        return taking_lists(function)
    if isinstance(function, type):
        return _scalar_of(function) if issubclass(function, np.generic) else function
    own = next((vars(c)[_CALL] for c in type(function).__mro__ if _CALL in vars(c)), None)
    if isinstance(own, types.FunctionType):  # an object that can be called
        return converted(types.MethodType(own, function))
    owner = getattr(function, "__self__", None)
    if isinstance(owner, (np.random.Generator, np.random.RandomState)):
        name = function.__name__
        return drawing(f"rng.{name}", drawn(function)) if name in DRAWING else drawn(function)
    return converted(function)


def _math(function: Any, ufunc: Any) -> Callable[..., Any]:
    def compute(*args: Any) -> Any:
        if not any(is_traced(a) for a in args):
            return function(*args)
        found = ufunc(*args)
        is_float = isinstance(found, Tracer) and found.dtype == np.float64 and not found.shape
        return python_number(found, float) if is_float else found

    return compute


_INSTEAD: dict[Any, Any] = {
    builtins.range: range_,
    builtins.reversed: _reversed,
    builtins.len: _length,
    builtins.min: _folded("min", np.minimum),
    builtins.max: _folded("max", np.maximum),
    builtins.int: _number(int),
    builtins.float: _number(float),
    builtins.bool: _number(bool),
    builtins.str: lambda *args, **options: _text(*args, **options),
    **COMPLEX_INSTEAD,
    **{
        getattr(math, name): _math(getattr(math, name), getattr(np, other))
        for name, other in {
            "sqrt": "sqrt", "exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "tan": "tan",
            "floor": "floor", "ceil": "ceil", "fabs": "fabs", "atan": "arctan", "tanh": "tanh",
            "atan2": "arctan2", "log2": "log2", "log10": "log10", "hypot": "hypot",
            "isnan": "isnan", "isinf": "isinf", "exp2": "exp2", "pow": "power",
        }.items() if hasattr(math, name)
    },
}  # fmt: skip


def returned(value: Thunk) -> Any:
    """What a function returns that may have ended without a return statement."""
    try:
        return value()
    except NameError:
        return None


def _state(
    names: Sequence[str], reads: Sequence[Thunk], put: Any, what: str, body: Any = None,
    touched: Touched = (),
) -> State:  # fmt: skip
    """The variables ``names``, and what is in the lists and objects that ``touched`` names. Its
    last part says how many of ``names``, the last ones, nobody reads afterwards: they get their
    values back."""
    hosts = hosts_in(*touched[:2]) if touched else []
    labels = [name for host in hosts for name in host.names]
    count = len(names) - (touched[2] if len(touched) > 2 else 0)
    spent = [_read(read) for read in reads[count:]]
    names, reads = names[:count], reads[:count]

    def get() -> list[Any]:
        found = [_read(read) for read in reads]
        for host in hosts:
            found += host.get()
        return found

    def put_all(values: list[Any]) -> None:
        if put is not None:
            put([*values[: len(names)], *spent])
        at = len(names)
        for host in hosts:
            host.put(values[at : at + len(host.names)])
            at += len(host.names)

    return State((*names, *labels), get, put_all, what, place=getattr(body, "__code__", None),
                 hosts=len(labels))  # fmt: skip


def _read(read: Thunk) -> Any:
    try:
        return read()
    except NameError:
        return UNDEFINED


# Conditions


def if_(
    test: Any, then: Thunk, otherwise: Thunk, names: Sequence[str], reads: Sequence[Thunk],
    put: Any, raises: tuple[bool, bool], *touched: Any,
) -> None:  # fmt: skip
    """The statement ``if``."""
    if not is_traced(test):
        (then if test else otherwise)()
        return
    if any(raises):
        needs_flag()
    state = _state(names, reads, put, "the if statement", then, touched)
    state.is_branch = True
    native_if(test, then, otherwise, state)


def assert_(test: Any, message: Thunk | None) -> None:
    """The statement ``assert``."""
    if not __debug__:
        return
    if is_traced(test):
        needs_flag()
    if not test:
        before_raise()
        raise AssertionError(*([] if message is None else [message()]))


def if_expression(test: Any, then: Thunk, otherwise: Thunk) -> Any:
    """``a if test else b``."""
    if not is_traced(test):
        return then() if test else otherwise()
    held: list[Any] = [UNDEFINED]

    def put(values: list[Any]) -> None:
        held[0] = values[0]

    state = State(("the value",), lambda: list(held), put, "the conditional expression")
    state.is_branch = True
    native_if(test, lambda: put([then()]), lambda: put([otherwise()]), state)
    return held[0]


def not_(value: Any) -> Any:
    """``not value``."""
    return np.logical_not(_one(value)) if is_traced(value) else not value


def and_(value: Any, *others: Thunk) -> Any:
    """``value and others[0]() and ...``."""
    return _logic(value, others, np.logical_and, False)


def or_(value: Any, *others: Thunk) -> Any:
    """``value or others[0]() or ...``."""
    return _logic(value, others, np.logical_or, True)


def _logic(value: Any, others: Sequence[Thunk], join: Any, ends: bool) -> Any:
    for other in others:
        if not is_traced(value):
            if bool(value) is ends:
                return value
            value = other()
            continue
        second = other()
        if _kind(value) == "b" and _kind(second) == "b":
            value = join(_one(value), _one(second))
        else:
            sides = (value, second) if ends else (second, value)
            value = if_expression(value, *map(_given, sides))
    return value


def _given(value: Any) -> Thunk:
    return lambda: value


def _kind(value: Any) -> str:
    return "b" if isinstance(value, bool) else getattr(getattr(value, "dtype", None), "kind", "")


def _one(value: Any) -> Any:
    if np.size(value) != 1:
        raise ValueError(
            "The truth value of an array with more than one element is ambiguous. Use a.any() or "
            "a.all()"
        )
    return np.reshape(value, ()) if np.shape(value) else value


# Loops


def for_(
    source: Iterable[Any], body: Callable[[Any], None], names: Sequence[str],
    reads: Sequence[Thunk], put: Any, test: Thunk | None, lists: Sequence[Thunk], cost: int,
    *touched: Any,
) -> None:  # fmt: skip
    """The statement ``for``; ``test`` says whether no break was met."""
    source = known(source)
    traced = CURRENT.get() is not None
    cost *= _repeats.get()
    if isinstance(source, Range):
        native_for(source.start, source.stop, source.step, body,
                   _state(names, reads, put, "the loop", body, touched), test)  # fmt: skip
        return
    if traced and isinstance(source, builtins.range) and len(source) * cost > _UNROLLED:
        if not _holds_lists(lists) and _try_native(
            source, body, names, reads, put, test, None, touched
        ):
            return
    elif traced and isinstance(source, Tracer) and len(source) * cost > _UNROLLED:
        rows = source
        if not _holds_lists(lists) and _try_native(
            builtins.range(len(rows)),
            lambda i: body(rows[i]),
            names,
            reads,
            put,
            test,
            body,
            touched,
        ):
            return
    count = len(source) if traced and isinstance(source, (builtins.range, Tracer)) else 1
    token = _repeats.set(_repeats.get() * max(count, 1))
    try:
        _run(iter(source), body, names, reads, put, test, touched)
    finally:
        _repeats.reset(token)


def _run(
    items: Any, body: Callable[[Any], None], names: Sequence[str], reads: Sequence[Thunk],
    put: Any, test: Thunk | None, touched: Touched,
) -> None:  # fmt: skip
    """The iterations one after the other; after a break that is traced, under its condition."""
    for item in items:
        goes = True if test is None else test()
        if is_traced(goes):
            state = _state(names, reads, put, "the loop", None, touched)
            state.is_branch = True
            native_if(goes, partial(body, item), lambda: None, state)
        elif not goes:
            return
        else:
            body(item)


def _holds_lists(lists: Sequence[Thunk]) -> bool:
    return any(isinstance(_read(read), (list, dict, set)) for read in lists)


def _rest(items: Iterable[Any], body: Callable[[Any], None]) -> bool:
    for item in items:
        body(item)
    return True


def _try_native(
    source: builtins.range, body: Callable[[Any], None], names: Sequence[str],
    reads: Sequence[Thunk], put: Any, test: Thunk | None, place: Any = None,
    touched: Touched = (),
) -> bool:  # fmt: skip
    """Whether a loop over a known range has become native; else it may be unrolled.

    A loop that reads what only its iterations before have bound gets its first one apart.
    """
    state = _state(names, reads, put, "the loop", place or body, touched)
    try:
        native_for(source.start, source.stop, source.step, body, state, test)
    except NameError as error:
        if error.name not in names or test is not None or len(source) < 2:
            raise
        body(source[0])
        if state.get()[names.index(error.name)] is UNDEFINED:
            raise
        rest = source[1:]
        return _try_native(rest, body, names, reads, put, test, place, touched) or _rest(rest, body)
    except (MlcError, TypeError, ValueError, IndexError, NotImplementedError):
        numbered = current().numbered
        done = numbered[_SPENT] = numbered.get(_SPENT, 0) + len(source)
        if done > _MOST_UNROLLED:
            raise
        return False
    return True


def while_(
    test: Thunk, body: Thunk, names: Sequence[str], reads: Sequence[Thunk], put: Any,
    goes: Thunk | None, lists: Sequence[Thunk], cost: int, *touched: Any,
) -> None:  # fmt: skip
    """The statement ``while``; ``goes`` says whether no break was met."""

    def check() -> Any:
        return test() if goes is None else and_(goes(), test)

    count = 0
    while True:
        holds = check()
        if is_traced(holds):
            native_while(check, body, _state(names, reads, put, "the loop", body, touched))
            return
        if not holds:
            return
        count += 1
        if count == _PATIENCE and CURRENT.get() is not None and not _holds_lists(lists):
            try:
                native_while(check, body, _state(names, reads, put, "the loop", body, touched))
                return
            except (NotNative, MlcError, TypeError, ValueError, IndexError):
                pass
        body()
