"""Sizes that only the running program knows: those of slices that a loop moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import UnsupportedError

if TYPE_CHECKING:
    from ..ir.expr import Expr
    from .tensor import Tensor


class Extent:
    """A size of at most ``int(extent)``; ``length`` says what it is.

    Two are equal if ``key``, their length as an expression, is the same. Loops over an axis of such
    a size run ``length`` times. It is no int, so that nothing takes the bound for the size.
    """

    __slots__ = ("bound", "key", "length")

    def __init__(self, bound: int, length: Tensor, key: Expr) -> None:
        self.bound, self.length, self.key = bound, length, key

    def __int__(self) -> int:
        return self.bound

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Extent) and other.key is self.key

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return id(self.key)

    def __repr__(self) -> str:
        return f"at most {self.bound}"

    __str__ = __repr__

    def __mul__(self, other: Any) -> Any:
        return self if type(other) is int and other == 1 else self._refuse()

    __rmul__ = __mul__

    def _refuse(self, *_: Any) -> NoReturn:
        raise UnsupportedError(
            "the length of this slice is known only when the loop runs, and this operation has to "
            "know it before; use elementwise operations, reductions, products and assignments, or "
            "a slice of fixed length"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mod__ = __rmod__ = _refuse
    __floordiv__ = __rfloordiv__ = __neg__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __index__ = __float__ = _refuse
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __divmod__ = __rdivmod__ = _refuse


def is_open(shape: tuple[Any, ...]) -> bool:
    """Whether a size in ``shape`` is known only when the program runs."""
    return any(type(n) is Extent for n in shape)
