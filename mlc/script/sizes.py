"""Sizes that a template leaves open."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ArgumentError
from .trace import tracing


class Dim:
    """A size with a name, or arithmetic on such sizes. While a program is traced, an integer.

    Make one with ``n = T.dim("n")`` and use it in shapes, extents and index arithmetic.
    """

    __slots__ = ("_value", "names", "text")

    def __init__(
        self, text: str, names: tuple[str, ...], value: Callable[[Mapping[str, int]], int]
    ) -> None:
        self.text = text
        self.names = names
        self._value = value

    def __repr__(self) -> str:
        return self.text

    def at(self, sizes: Mapping[str, int]) -> int:
        """The number that this is for these ``sizes``."""
        for name in self.names:
            if name not in sizes:
                raise ArgumentError(
                    f"size {name!r} is not known here: no parameter of the program has it in its "
                    f"shape"
                )
        return self._value(sizes)

    def __index__(self) -> int:
        trace = tracing()
        if trace is None:
            raise ArgumentError(
                f"size {self.text!r} is a number only while a T.program is traced; "
                f"choose one with .at({self.names[0]}=64)"
            )
        return self.at(trace.sizes)

    def __int__(self) -> int:
        return self.__index__()

    def __bool__(self) -> bool:
        return self.__index__() != 0

    def __mlc_element__(self) -> int:
        return self.__index__()  # which takes the dtype of what it stands beside

    __hash__ = object.__hash__


def _arithmetic(name: str, symbol: str, is_reflected: bool) -> Callable[[Dim, Any], Any]:
    function = getattr(operator, name)

    def compute(self: Dim, other: Any) -> Any:
        if tracing() is not None:
            own: int = self.__index__()
            return function(other, own) if is_reflected else function(own, other)
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        left, right = (other, self) if is_reflected else (self, other)
        names = tuple(
            dict.fromkeys(n for d in (left, right) if isinstance(d, Dim) for n in d.names)
        )
        return Dim(
            f"({left} {symbol} {right})",
            names,
            lambda sizes: int(function(size_at(left, sizes), size_at(right, sizes))),
        )

    return compute


for _name, _symbol in (
    ("add", "+"), ("sub", "-"), ("mul", "*"), ("floordiv", "//"), ("mod", "%"),
):  # fmt: skip
    setattr(Dim, f"__{_name}__", _arithmetic(_name, _symbol, False))
    setattr(Dim, f"__r{_name}__", _arithmetic(_name, _symbol, True))


def _comparison(name: str) -> Callable[[Dim, Any], Any]:
    function = getattr(operator, name)

    def compare(self: Dim, other: Any) -> Any:
        return function(self.__index__(), other)

    return compare


for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Dim, f"__{_name}__", _comparison(_name))


def dim(name: str) -> Dim:
    """A size that is chosen later, by ``template.at(name=64)`` or from the arrays."""
    if not isinstance(name, str) or not name.isidentifier():
        raise ArgumentError(f"a size is called by an identifier, got {name!r}")
    return Dim(name, (name,), lambda sizes: sizes[name])


def size_at(value: Any, sizes: Mapping[str, int]) -> Any:
    """``value`` with open sizes replaced by numbers, also within tuples."""
    if isinstance(value, Dim):
        return value.at(sizes)
    if isinstance(value, str):
        return dim(value).at(sizes)
    if isinstance(value, (tuple, list)):
        return tuple(size_at(part, sizes) for part in value)
    return value
