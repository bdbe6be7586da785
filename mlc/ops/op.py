"""How an operator is declared, and how a call of it becomes te tensors.

An operator is one Python function over te tensors::

    @op(numpy=(np.maximum,))
    def maximum(x, y):
        return ...te.compute(...)

Positional parameters are arrays (or lists of arrays, or numbers); keyword-only ones are static. A
call

* lifts traced values and arrays to te tensors; Python numbers and None stay what they are,
* looks for the same call earlier in the trace (value numbering),
* runs the body, stamps the operator's name, its static parameters and the user's line on the nodes,
* wraps the results for the trace that is current.

The trace is reached through ``CURRENT`` alone. Called on te tensors an operator returns te tensors;
called on plain arrays, with no trace at hand, it is compiled and run at once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

from .. import te
from ..dtypes import DType, as_dtype
from ..errors import ArgumentError, SourceLocation, user_location
from ..records import cached_property
from ..te.call import call_of_tensors, set_values
from ..te.tensor import Call, Compute, Tensor
from .limits import note_conversion
from .promotion import ufunc_dtypes

NUMBERS = (bool, int, float)
_OVERRIDES = frozenset({"batch", "jvp", "view", "vjp"})


class Trace(Protocol):
    """What an operator needs of the trace that is going on."""

    weak: set[Tensor]  # 0-d tensors that stand for Python numbers and promote like them
    numbered: dict[Any, Any]  # calls made so far, for value numbering
    limits: dict[Tensor, tuple[int, int]]  # see `mlc.ops.limits`

    def lift(self, value: Any) -> Any:
        """The te tensor for a traced value or an array; numbers and None as they are."""

    def wrap(self, tensor: Tensor) -> Any:
        """The value that the user's function sees for a te tensor."""


class _TensorLevel:
    """The trace inside an operator's body: te tensors in, te tensors out."""

    def __init__(self, outer: Trace | None = None) -> None:
        self.weak: set[Tensor] = set()
        self.numbered: dict[Any, Any] = {} if outer is None else outer.numbered
        self.limits: dict[Tensor, tuple[int, int]] = {}
        self.outer = outer

    def lift(self, value: Any) -> Any:
        if isinstance(value, (Tensor, type(None))):
            return value
        if self.outer is not None:
            return self.outer.lift(value)
        if isinstance(value, NUMBERS) and not isinstance(value, np.generic):
            return value
        if hasattr(type(value), "__mlc_lift__"):
            return value.__mlc_lift__(None)
        return te.constant(np.asarray(value))

    def wrap(self, tensor: Tensor) -> Any:
        return tensor


CURRENT: ContextVar[Trace | None] = ContextVar("mlc_trace", default=None)
# Set while a graph is traced that is to fit other sizes too: no formula is chosen by an extent.
MANY_SIZES: ContextVar[bool] = ContextVar("mlc_many_sizes", default=False)
OPS: dict[str, Op] = {}
NUMPY_FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {}
_OURS = ("mlc.ops.", "mlc.tracer.")
_eager: list[Callable[[Op, tuple[Any, ...], dict[str, Any]], Any]] = []


class Op:
    """A declared operator; call it with arrays, traced values, te tensors or numbers.

    ``promotes`` says that numbers passed to a jitted function (weak, as in NumPy 2) take the dtype
    of the arrays beside them before the body sees them, or what ``ufunc`` converts them to, if that
    is what the operator stands for. ``overrides`` holds derivations stated with
    the declaration (``vjp=``, ``batch=``, ...).
    """

    def __init__(
        self,
        body: Callable[..., Any],
        name: str,
        promotes: bool,
        overrides: dict[str, Any],
    ) -> None:
        functools.update_wrapper(self, body)
        self.body = body
        self.name = name
        self.promotes = promotes
        self.ufunc: np.ufunc | None = None
        self.view = overrides.pop("view", None)  # see `mlc.ops.aliasing`
        self.overrides = overrides
        code = getattr(body, "__code__", None)
        if code is not None and code.co_flags & inspect.CO_VARKEYWORDS:
            raise ArgumentError(
                f"operator {name!r} takes **kwargs; name its static parameters one by one after *"
            )

    @cached_property
    def signature(self) -> inspect.Signature:
        """The body's signature; found when first asked for, since there are many operators."""
        return inspect.signature(self.body)

    @cached_property
    def static(self) -> dict[str, Any]:
        """The static parameters and their defaults."""
        parameters = self.signature.parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def __repr__(self) -> str:
        return f"<mlc operator {self.name}{self.signature}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        arrays, static = self._bind(args, kwargs)
        if self.view is not None:
            look = getattr(type(arrays[0]), "__mlc_view__", None)
            if look is not None:
                return look(arrays[0], self, arrays[1:], static)
        trace = CURRENT.get()
        leaves = list(leaves_of(arrays))
        if any(isinstance(leaf, Tensor) for leaf in leaves):
            trace = _TensorLevel(trace)
        if trace is None:
            for leaf in leaves:
                if hasattr(type(leaf), "__mlc_lift__"):
                    leaf.__mlc_lift__(
                        None
                    )  # a traced value, and nothing is being traced: it leaked
            return _eager[0](self, arrays, static)
        return self._trace(trace, arrays, static)

    def _bind(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Array arguments in order, and all static ones, defaults included."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(
                f"{self.name}{self.signature} cannot be called like this: {error}"
            ) from None
        bound.apply_defaults()
        static = {key: _static(self.name, key, bound.kwargs[key]) for key in self.static}
        return bound.args, static

    def _trace(self, trace: Trace, args: tuple[Any, ...], static: dict[str, Any]) -> Any:
        lifted = tuple(_lift(trace, self.name, value) for value in args)
        if trace.weak:
            lifted = settle_weak(trace, lifted, self.promotes, self.ufunc, static.get("dtype"))
        result = self.tensors(trace, lifted, static)
        if isinstance(result, tuple):
            return tuple(trace.wrap(tensor) for tensor in result)
        return trace.wrap(result)

    def tensors(self, trace: Trace, lifted: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """The te tensor (or tuple of them) for arguments already lifted."""
        key: Any = (self, frozen_key(lifted), frozen_key(static))
        try:
            if key in trace.numbered:
                return trace.numbered[key]
        except TypeError:  # a static parameter that cannot be hashed
            key = None
        token = CURRENT.set(_TensorLevel(trace))
        try:
            result = self.body(*lifted, **static)
        finally:
            CURRENT.reset(token)
        result = self._checked(result)
        _stamp(self.name, result, lifted, tuple(static.items()), user_location())
        if key is not None:
            trace.numbered[key] = result
        return result

    def _checked(self, result: Any) -> Any:
        if isinstance(result, list):
            result = tuple(result)
        parts = result if isinstance(result, tuple) else (result,)
        for part in parts:
            if not isinstance(part, Tensor):
                shape = getattr(part, "shape", None)
                made = f"an array of shape {shape}"
                if shape is None:
                    made = f"{type(part).__name__} {part!r}"
                raise ArgumentError(
                    f"operator {self.name!r} must return a te tensor, as te.compute(...) makes, "
                    f"or a tuple of them; it returned {made}"
                )
        return result


def op(
    body: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    numpy: tuple[Any, ...] = (),
    promotes: bool | None = None,
    **overrides: Any,
) -> Any:
    """Declare an operator by its te body; use as ``@mlc.op`` or ``@mlc.op(...)``.

    ``numpy`` lists the NumPy functions, ufuncs and ufunc methods (``np.add.reduce``) that it stands
    for. ``promotes`` is True for ufuncs. Everything else (``vjp=``, ``batch=``, ...) overrides what
    would be derived from the body.
    """

    for other in overrides.keys() - _OVERRIDES:
        raise ArgumentError(
            f"mlc.op got {other}=, which is no derivation of an operator; there are "
            f"{', '.join(f'{known}=' for known in sorted(_OVERRIDES))}"
        )

    def declare(function: Callable[..., Any]) -> Op:
        if not callable(function):
            raise ArgumentError(f"mlc.op declares a function, got {type(function).__name__}")
        is_ufunc = any(isinstance(f, np.ufunc) for f in numpy)
        chosen = name or function.__name__
        made = Op(function, chosen, is_ufunc if promotes is None else promotes, overrides)
        _register(made)
        implements(*numpy)(made)
        return made

    return declare if body is None else declare(body)


def _register(made: Op) -> None:
    """Enter an operator by its name; of two from different modules ours keeps the short one."""
    other = OPS.get(made.name)
    if other is not None and other.__module__ != made.__module__:
        longer = other if made.__module__.startswith(__package__ or "") else made
        longer.name = f"{longer.__module__}.{longer.name}"
        OPS[longer.name] = longer
        if longer is made:
            return
    OPS[made.name] = made


def implements(*functions: Any) -> Callable[[Any], Any]:
    """Say that the decorated function stands for these NumPy functions.

    It may be an operator, or a plain function over array-likes that calls operators (a composite).
    A composite has the parameters of the NumPy function that it supports, under NumPy's names.
    """

    def register(implementation: Any) -> Any:
        # Ours are loaded late, and must not push aside what a user has declared by then.
        is_ours = str(getattr(implementation, "__module__", "")).startswith(_OURS)
        for function in functions:
            owner = getattr(function, "__self__", None)
            table: dict[Any, Any] = NUMPY_FUNCTIONS
            key = function
            if isinstance(function, np.ufunc):
                table = UFUNCS
            elif isinstance(owner, np.ufunc):
                table, key = UFUNC_METHODS, (owner, function.__name__)
            if not (is_ours and key in table):
                table[key] = implementation
        return implementation

    return register


def set_eager(run: Callable[[Op, tuple[Any, ...], dict[str, Any]], Any]) -> None:
    """Say what calls an operator on plain arrays: ``run(op, arrays, static)``."""
    _eager[:] = [run]


def _program_called(*inputs: Any, program: Any, name: str) -> Any:
    """``te.call`` of what is no te tensor: the program as an operator."""
    return call_of_tensors(program, inputs, name)


_program = Op(_program_called, "te.call", False, {})
set_values(lambda program, values, name: _program(*values, program=program, name=name))


def why_unrolled(text: str) -> str:
    """For an error that says ``text``: why the loop around is not native, where that is another
    reason."""
    reason = getattr(getattr(CURRENT.get(), "unrolled", None), "message", text)
    return "" if text in reason else f"; the loop around it cannot be native: {reason}"


def is_held(value: Any) -> bool:
    """Whether ``value`` is a list that is held in arrays: see `mlc.tracer.grown`."""
    return isinstance(value, list) and getattr(value, "is_native", False)


def leaves_of(value: Any) -> Iterator[Any]:
    """The values in nested lists and tuples; a list that is arrays is one."""
    if isinstance(value, (list, tuple)) and not is_held(value):
        for item in value:
            yield from leaves_of(item)
    else:
        yield value


_EXACT = frozenset(
    (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
)  # they compare integers of any two dtypes by value


def settle_weak(
    trace: Trace,
    lifted: tuple[Any, ...],
    promotes: bool = True,
    ufunc: np.ufunc | None = None,
    wanted: Any = None,
) -> tuple[Any, ...]:
    """``lifted`` with weak scalars cast to the dtype of the arrays beside them, as NumPy 2 does; to
    that of the loop where ``ufunc`` is known (``uint8 / -1`` divides floats).

    Without ``promotes`` only weak floats beside float arrays are: a weak integer may be an index.
    """
    weak = trace.weak
    if not any(isinstance(t, Tensor) and t in weak for t in leaves_of(lifted)):
        return lifted
    strong = [t.dtype for t in leaves_of(lifted) if isinstance(t, Tensor) and t not in weak]
    if not strong:
        return lifted
    like = strong[0]
    if any(dtype is not like for dtype in strong):
        like = as_dtype(np.result_type(*(dtype.numpy for dtype in strong)))
    if ufunc is not None and not like.is_float:
        if ufunc in _EXACT:
            return lifted
        given = tuple(_sample(v) if isinstance(v, Tensor) and v in weak else v for v in lifted)
        inputs, _ = ufunc_dtypes(ufunc, given, wanted)
        return tuple(
            _cast_scalar(trace, v, d) if isinstance(v, Tensor) and v in weak else v
            for v, d in zip(lifted, inputs, strict=True)
        )

    def settle(value: Any) -> Any:
        if not (isinstance(value, Tensor) and value in weak) or value.dtype is like:
            return value
        fits = like.is_float if value.dtype.is_float else promotes and like.kind in "iuf"
        return _cast_scalar(trace, value, like) if fits else value

    return tuple(settle(value) for value in lifted)


def _sample(weak: Tensor) -> bool | int | float:
    return {"f": 0.0, "b": False}.get(weak.dtype.kind, 0)


def _cast_scalar(trace: Trace, value: Tensor, dtype: DType) -> Tensor:
    note_conversion(trace, value, dtype)
    key = ("weak", value, dtype)
    if key not in trace.numbered:
        trace.numbered[key] = te.compute(
            (),
            lambda: te.cast(value[()], dtype),
            name="cast",
            op="astype",
            params=(("dtype", dtype),),
        )
    found: Tensor = trace.numbered[key]
    return found


def _lift(trace: Trace, name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_lift(trace, name, item) for item in value]
    if isinstance(value, tuple):
        return tuple(_lift(trace, name, item) for item in value)
    try:
        return trace.lift(value)
    except ArgumentError as error:
        raise ArgumentError(f"{name}: {error.message}", error.location) from None


def _static(op_name: str, key: str, value: Any) -> Any:
    """A static argument as the body gets it: NumPy scalars become Python's."""
    for leaf in leaves_of(value):
        if isinstance(leaf, Tensor) or hasattr(type(leaf), "__mlc_lift__"):
            raise ArgumentError(
                f"{key}= of {op_name} must be known while tracing, got the traced value {leaf!r}; "
                f"pass a Python value, or name the argument it came from in static_argnames"
            )
    return value.item() if isinstance(value, np.generic) else value


def frozen_key(value: Any) -> Any:
    """A value as part of a dictionary key: 1, 1.0, True and -0.0 are told apart."""
    if isinstance(value, (list, tuple)):
        return (type(value), *map(frozen_key, value))
    if isinstance(value, dict):
        return tuple((k, frozen_key(v)) for k, v in value.items())
    if isinstance(value, NUMBERS):
        return type(value), repr(value)
    if isinstance(value, slice):
        return slice, frozen_key(value.start), frozen_key(value.stop), frozen_key(value.step)
    return value


def _stamp(
    name: str,
    result: Any,
    inputs: tuple[Any, ...],
    params: tuple[tuple[str, Any], ...],
    location: SourceLocation | None,
) -> None:
    """Write operator, parameters and line on the nodes that a body has just made."""
    outputs = result if isinstance(result, tuple) else (result,)
    seen = {id(leaf) for leaf in leaves_of(inputs)}
    results = {id(tensor.op) for tensor in outputs}
    stack = list(outputs)
    while stack:
        tensor = stack.pop()
        node = tensor.op
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if not isinstance(node, (Compute, Call)):
            continue
        stack.extend(node.inputs)
        if isinstance(node, Call) and id(node) in results:
            object.__setattr__(node, "params", params)
            object.__setattr__(node, "location", location)
        if node.op != "compute":  # made by another operator, or named by the body
            continue
        is_result = id(node) in results
        if tensor.name == "compute":
            tensor.name = name
        # The node is fresh: nobody else has seen it, so writing to it is still building it.
        object.__setattr__(node, "op", name if is_result else f"{name}.{tensor.name}")
        object.__setattr__(node, "params", params if is_result else ())
        object.__setattr__(node, "location", location)
