"""Scalar expressions: the grammar, in order.

::

    Expr = Const(value)                         a number
         | Var(name) | Axis(name, extent)       an index; an Axis knows its range and its kind
         | Apply(fn, args)                      a function of the table in `scalar.py`
         | Cast(value)                          a conversion, with NumPy's meaning
         | Select(condition, then, otherwise)   only the chosen side is evaluated
         | Load(source, indices)                one element of a buffer or of a te tensor
         | Reduce(combiner, values, axes, index)  at the root of a te.compute only

Nodes are frozen and interned: the same structure is the same object, so identity is equality.
``==`` therefore builds an expression, as every other operator does. Variables are equal to
themselves alone; their names are made unique only when they are printed.

As nodes never change, what is found out about one is kept with it, in slots that are empty until
then: `_sum` and `_normal` (`affine`, `simplify`), `_variables` and `_loads` (`rewrite`), `_simple`
(`simplify`).
"""

from __future__ import annotations

import struct
import weakref
from _weakref import _remove_dead_weakref  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard, TypeVar, Union

import numpy as np

from ..dtypes import DType, as_dtype, boolean, float64, int64
from ..errors import ArgumentError, DTypeError, ExpressionBoolError
from .array_functions import no_float, no_integer, scalar_function, scalar_ufunc
from .scalar import SCALAR_FNS

if TYPE_CHECKING:
    from .affine import Sum
    from .combiner import Combiner

_2_63 = 1 << 63
_FEW = range(-64, 1025)  # integers that are constants again and again: once made, they stay

Key = tuple[Any, ...]
Node = TypeVar("Node", bound="Expr")
ExprLike = Union["Expr", int, float, bool]


class Expr:
    """A scalar expression of type ``dtype``. Operators build new expressions."""

    __slots__ = ("__weakref__", "_loads", "_simple", "_variables", "dtype")
    __match_args__: tuple[str, ...] = ()
    __array_ufunc__ = scalar_ufunc
    __array_function__ = scalar_function
    __index__ = __int__ = no_integer
    __float__ = no_float
    dtype: DType
    children: tuple[Expr, ...] = ()  # the direct sub-expressions, in order
    _loads: tuple[Load, ...]
    _variables: tuple[Var, ...]
    _simple: tuple[tuple[int | None, ...] | None, Expr | None] | None

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        """The same node over other sub-expressions."""
        return self

    def astype(self, dtype: Any) -> Expr:
        """This value converted to ``dtype``."""
        return cast(self, dtype)

    def __bool__(self) -> NoReturn:
        raise ExpressionBoolError(
            "a tensor expression has no truth value while it is being built; "
            "use te.select(condition, a, b) instead of if (in a program T.select, or "
            "`with T.when(condition):`), te.max and te.min instead of max and min, and & | ~ "
            "instead of and, or, not"
        )

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        from .show import expr_text

        return expr_text(self)

    # fmt: off
    def __add__(self, other: ExprLike) -> Expr: return binary("add", self, other)
    def __radd__(self, other: ExprLike) -> Expr: return binary("add", other, self)
    def __sub__(self, other: ExprLike) -> Expr: return binary("sub", self, other)
    def __rsub__(self, other: ExprLike) -> Expr: return binary("sub", other, self)
    def __mul__(self, other: ExprLike) -> Expr: return binary("mul", self, other)
    def __rmul__(self, other: ExprLike) -> Expr: return binary("mul", other, self)
    def __truediv__(self, other: ExprLike) -> Expr: return divide(self, other)
    def __rtruediv__(self, other: ExprLike) -> Expr: return divide(other, self)
    def __floordiv__(self, other: ExprLike) -> Expr: return binary("floordiv", self, other)
    def __rfloordiv__(self, other: ExprLike) -> Expr: return binary("floordiv", other, self)
    def __mod__(self, other: ExprLike) -> Expr: return binary("mod", self, other)
    def __rmod__(self, other: ExprLike) -> Expr: return binary("mod", other, self)
    def __pow__(self, other: ExprLike) -> Expr: return binary("pow", self, other)
    def __rpow__(self, other: ExprLike) -> Expr: return binary("pow", other, self)
    def __and__(self, other: ExprLike) -> Expr: return binary("bitand", self, other)
    def __rand__(self, other: ExprLike) -> Expr: return binary("bitand", other, self)
    def __or__(self, other: ExprLike) -> Expr: return binary("bitor", self, other)
    def __ror__(self, other: ExprLike) -> Expr: return binary("bitor", other, self)
    def __xor__(self, other: ExprLike) -> Expr: return binary("bitxor", self, other)
    def __rxor__(self, other: ExprLike) -> Expr: return binary("bitxor", other, self)
    def __lshift__(self, other: ExprLike) -> Expr: return binary("shl", self, other)
    def __rlshift__(self, other: ExprLike) -> Expr: return binary("shl", other, self)
    def __rshift__(self, other: ExprLike) -> Expr: return binary("shr", self, other)
    def __rrshift__(self, other: ExprLike) -> Expr: return binary("shr", other, self)
    def __lt__(self, other: ExprLike) -> Expr: return binary("lt", self, other)
    def __le__(self, other: ExprLike) -> Expr: return binary("le", self, other)
    def __gt__(self, other: ExprLike) -> Expr: return binary("gt", self, other)
    def __ge__(self, other: ExprLike) -> Expr: return binary("ge", self, other)
    def __eq__(self, other: ExprLike) -> Expr: return binary("eq", self, other)  # type: ignore[override]
    def __ne__(self, other: ExprLike) -> Expr: return binary("ne", self, other)  # type: ignore[override]
    def __neg__(self) -> Expr: return apply("neg", self)
    def __invert__(self) -> Expr: return apply("invert", self)
    def __abs__(self) -> Expr: return apply("abs", self)
    # fmt: on


class Const(Expr):
    """A number of type ``dtype``; ``value`` is a Python bool, int or float."""

    __slots__ = ("value",)
    __match_args__ = ("value",)
    value: Any


class Var(Expr):
    """An index variable, equal only to itself. ``name`` is a wish, not an identity."""

    __slots__ = ("name",)
    __match_args__ = ("name",)
    name: str

    def __init__(self, name: str, dtype: Any = int64) -> None:
        self.name = name
        self.dtype = as_dtype(dtype)


class Axis(Var):
    """A variable that runs over ``range(extent)``, spatial or reduced.

    Each value of a spatial axis names an output element; a reduce axis is summed (or otherwise
    combined) away.
    """

    __slots__ = ("extent", "is_reduce")
    __match_args__ = ("name", "extent", "is_reduce")

    def __init__(self, name: str, extent: int, is_reduce: bool = False) -> None:
        super().__init__(name)
        self.extent = extent
        self.is_reduce = is_reduce


class Apply(Expr):
    """The scalar function named ``fn`` applied to ``args``."""

    __slots__ = ("_normal", "_sum", "args", "children", "fn")
    __match_args__ = ("fn", "args")
    fn: str
    args: tuple[Expr, ...]
    _sum: Sum
    _normal: Expr | None

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        return apply(self.fn, *children, dtype=self.dtype)


class Cast(Expr):
    """``value`` converted to ``dtype``: to an integer floats truncate, to bool all test != 0."""

    __slots__ = ("children", "value")
    __match_args__ = ("value",)
    value: Expr

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        return cast(children[0], self.dtype)


class Select(Expr):
    """``then`` where ``condition`` holds, else ``otherwise``.

    The other side is not evaluated, so it may load out of bounds.
    """

    __slots__ = ("children", "condition", "otherwise", "then")
    __match_args__ = ("condition", "then", "otherwise")
    condition: Expr
    then: Expr
    otherwise: Expr

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        return select(*children)


class Load(Expr):
    """Element ``indices`` of ``source``: a program's Buffer or a te Tensor."""

    __slots__ = ("children", "indices", "source")
    __match_args__ = ("source", "indices")
    source: Any
    indices: tuple[Expr, ...]

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        return load(self.source, children)


class Reduce(Expr):
    """Result number ``index`` of combining ``values`` over all of ``axes``."""

    __slots__ = ("axes", "children", "combiner", "index", "values")
    __match_args__ = ("combiner", "values", "axes", "index")
    combiner: Combiner
    values: tuple[Expr, ...]
    axes: tuple[Axis, ...]
    index: int

    def with_children(self, children: tuple[Expr, ...]) -> Expr:
        return reduce(self.combiner, children, self.axes, self.index)


class _Reference(weakref.ref[Any]):
    """A node under its key."""

    __slots__ = ("key",)
    key: Key


# By a key that is the same just for equal nodes; what it names by ``id`` the node keeps alive.
_references: dict[Key, _Reference] = {}


def _forget(
    reference: _Reference, forget: Any = _remove_dead_weakref, of: Any = _references
) -> None:
    forget(of, reference.key)  # named before, for what dies with the interpreter


def _known(key: Key) -> Any:
    """The node under ``key``, if there is one."""
    reference = _references.get(key)
    return None if reference is None else reference()


def _kept(key: Key, node: Node) -> Node:
    """``node``, or the one that another thread has put under the same key. One step of Python's
    each, so that nothing has to be locked."""
    reference = _Reference(node, _forget)
    reference.key = key
    while True:
        first = _references.setdefault(key, reference)
        if first is reference:
            return node
        found: Node | None = first()
        if found is not None:
            return found
        _remove_dead_weakref(_references, key)


_few: dict[int, Const] = {}


def const(value: Any, dtype: Any = None) -> Const:
    """``value`` as a constant; without ``dtype``: int64, float64 or bool after its Python type.

    An integer that does not fit its dtype raises OverflowError, as in NumPy 2.
    """
    if type(value) is int and (dtype is None or dtype is int64) and -_2_63 <= value < _2_63:
        few = _few.get(value)
        if few is None:
            few = _constant(value, int64, value)
            if value in _FEW:
                _few[value] = few
        return few
    if isinstance(value, np.generic):
        dtype = dtype or value.dtype
        value = value.item() if value.dtype.kind in "biuf" else float(value)
    if dtype is None:
        dtype = boolean if isinstance(value, bool) else int64 if isinstance(value, int) else float64
    dtype = as_dtype(dtype)
    if dtype.is_float:
        value = float(value)
        if dtype is not float64 and value == value:
            with np.errstate(over="ignore"):
                value = float(dtype.numpy.type(value))
        bits: Any = struct.pack("d", value)
    elif dtype is boolean:
        bits = value = bool(value)
    else:
        bits = value = int(value)
        if not dtype.lowest <= value <= dtype.highest:
            raise OverflowError(f"Python integer {value} out of bounds for {dtype.name}")
    return _constant(value, dtype, bits)


def _constant(value: Any, dtype: DType, bits: Any) -> Const:
    key = (Const, dtype, bits)
    found: Const | None = _known(key)
    if found is not None:
        return found
    node = object.__new__(Const)
    node.dtype, node.value = dtype, value
    return _kept(key, node)


def as_expr(value: Any, like: DType | None = None) -> Expr:
    """``value`` as an expression; a Python number takes the dtype ``like`` if that can hold it."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
        rank = 0 if isinstance(value, bool) else 1 if isinstance(value, int) else 2
        if like is not None and rank <= "biuf".index(like.kind) - ("biuf".index(like.kind) > 1):
            return const(value, like)
        try:
            return const(value)
        except OverflowError:
            raise ArgumentError(
                f"{value} does not fit int64; write it as a number of another dtype, np.uint64(...)"
            ) from None
    if isinstance(value, np.generic):
        return const(value)
    element = getattr(value, "__mlc_element__", None)
    if element is not None:
        return as_expr(element(), like)
    raise ArgumentError(
        f"expected a number or a tensor expression, got {type(value).__name__} {value!r}"
    )


def apply(fn: str, *args: Expr, dtype: DType | None = None) -> Expr:
    """``fn(*args)`` for arguments that already have the right dtypes."""
    row = SCALAR_FNS[fn]
    if row.result == "same":
        dtype = args[-1].dtype
    elif row.result == "bool":
        dtype = boolean
    assert dtype is not None and len(args) == row.arity, fn
    key = (fn, dtype, *map(id, args))
    reference = _references.get(key)
    if reference is not None:
        found: Apply | None = reference()
        if found is not None:
            return found
    node = object.__new__(Apply)
    node.dtype, node.fn = dtype, fn
    node.args = node.children = args
    node._simple = None
    return _kept(key, node)


def promote(*values: ExprLike) -> tuple[Expr, ...]:
    """``values`` converted to their common NumPy dtype; Python numbers are weak."""
    values = tuple(v.__mlc_element__() if hasattr(v, "__mlc_element__") else v for v in values)
    strong = [v.dtype for v in values if isinstance(v, Expr)]
    like: DType | None = None
    if strong and all(d is strong[0] for d in strong):
        like = strong[0]
    elif strong:
        like = as_dtype(np.result_type(*(d.numpy for d in strong)))
    elif all(isinstance(v, bool) for v in values):
        like = boolean
    if like is None or any(isinstance(v, float) for v in values) and not like.is_float:
        like = float64 if any(isinstance(v, float) for v in values) else like or int64
    elif like is boolean and any(type(v) is int for v in values):
        like = int64
    return tuple(cast(as_expr(v, like), like) for v in values)


def binary(fn: str, left: ExprLike, right: ExprLike) -> Expr:
    """A two-argument function after promotion of its arguments."""
    if isinstance(left, Expr):
        if isinstance(right, Expr) and left.dtype is right.dtype:
            return apply(fn, left, right)
        if type(right) is int and left.dtype is int64:
            return apply(fn, left, const(right))
    return apply(fn, *promote(left, right))


def divide(left: ExprLike, right: ExprLike) -> Expr:
    """True division: integers become float64 first."""
    a, b = promote(left, right)
    if not a.dtype.is_float:
        a, b = cast(a, float64), cast(b, float64)
    return apply("div", a, b)


def cast(value: Any, dtype: Any) -> Expr:
    """``value`` as ``dtype``; nothing happens if it has that type already."""
    dtype = as_dtype(dtype)
    expr = as_expr(value)
    if expr.dtype is dtype:
        return expr
    if isinstance(expr, Const):
        with np.errstate(all="ignore"):
            return const(np.asarray(expr.value, expr.dtype.numpy).astype(dtype.numpy)[()], dtype)
    key = (Cast, dtype, id(expr))
    found: Cast | None = _known(key)
    if found is not None:
        return found
    node = object.__new__(Cast)
    node.dtype, node.value, node.children, node._simple = dtype, expr, (expr,), None
    return _kept(key, node)


def select(condition: ExprLike, then: ExprLike, otherwise: ExprLike) -> Expr:
    """``then`` if ``condition`` else ``otherwise``, promoted to one dtype, evaluated lazily."""
    test = as_expr(condition)
    if test.dtype is not boolean:
        raise DTypeError(f"a condition must be bool, got {test.dtype}; compare it with something")
    a, b = promote(then, otherwise)
    key = (Select, id(test), id(a), id(b))
    found: Select | None = _known(key)
    if found is not None:
        return found
    node = object.__new__(Select)
    node.dtype, node.condition, node.then, node.otherwise = a.dtype, test, a, b
    node.children, node._simple = (test, a, b), None
    return _kept(key, node)


def load(source: Any, indices: tuple[Expr, ...]) -> Expr:
    """Element ``indices`` of ``source``, which has a ``dtype``."""
    key = (Load, id(source), *map(id, indices))
    found: Load | None = _known(key)
    if found is not None:
        return found
    node = object.__new__(Load)
    node.dtype, node.source = source.dtype, source
    node.indices = node.children = indices
    node._simple = None
    return _kept(key, node)


def reduce(
    combiner: Combiner, values: tuple[Expr, ...], axes: tuple[Axis, ...], index: int = 0
) -> Expr:
    """Result ``index`` of combining ``values`` over ``axes``."""
    key = (Reduce, id(combiner), *map(id, values), None, *map(id, axes), index)
    found: Reduce | None = _known(key)
    if found is not None:
        return found
    node = object.__new__(Reduce)
    node.dtype, node.combiner, node.axes, node.index = (
        combiner.dtypes[index], combiner, axes, index,
    )  # fmt: skip
    node.values = node.children = values
    node._simple = None
    return _kept(key, node)


def is_product(expr: Expr) -> TypeGuard[Apply]:
    """Whether ``expr`` is a multiplication."""
    return isinstance(expr, Apply) and expr.fn == "mul"
