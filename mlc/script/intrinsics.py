"""``mlc.intrinsic``: an intrinsic as a program that says what it does, and native code for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ArgumentError
from ..ir.intrinsic import Intrinsic, regions_of_call, register
from ..ir.program import Evaluate, Program
from .calls import call
from .function import source_of
from .trace import current
from .values import Box, as_region


class DeclaredIntrinsic:
    """An intrinsic by its declaration: callable in programs, and open to implementations."""

    def __init__(self, intrinsic: Intrinsic) -> None:
        self.intrinsic = intrinsic
        self.name = intrinsic.name
        self.meaning = intrinsic.meaning

    def __repr__(self) -> str:
        return repr(self.intrinsic)

    def __call__(self, *operands: Any) -> None:
        """The call in a program: one region for each operand, ``tmm16(A[...], B[...], C[...])``."""
        current(f"the call of {self.name}")
        regions = tuple(map(as_region, operands))
        regions_of_call(Evaluate(self.name, regions))
        call(self.name, *map(Box, regions))

    def script(self) -> str:
        """The meaning as Python source."""
        return self.meaning.script()

    def implementation(self, target: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorates the implementation for ``target``.

        ``"llvm"``: a function without parameters that returns the text of LLVM functions, one of
        them ``define void @name(...)``. ``"c"``: the same with C source. Native code takes for each
        operand a pointer to its first element, and for each of its dimensions that is not 1 the
        stride in elements (int64). ``"program"``: the body of a T.program with the operands of the
        meaning, which does the work by simpler statements or calls.
        """
        names = sys._getframe(1).f_locals

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            self.intrinsic.implement(target, self._content(target, function, names))
            return function

        return decorate

    def check(self, trials: int = 6, seed: int = 0) -> None:
        """Runs the native code and the meaning on whole numbers, in operands with random strides.

        Raises :class:`CompileError` with the first element that differs, be it beside an operand.
        """
        from .check_intrinsic import check_intrinsic

        check_intrinsic(self.intrinsic, trials, seed)

    def _content(
        self, target: str, function: Callable[..., Any], names: Mapping[str, Any]
    ) -> str | Program:
        if target == "program":
            return _traced(function, self.meaning.outputs, names)
        content = function()
        if not isinstance(content, str):
            raise ArgumentError(
                f"the implementation of {self.name} for {target!r} must return its source as a "
                f"string, got {type(content).__name__}"
            )
        return content


def intrinsic(
    function: Callable[..., Any] | None = None,
    *,
    name: str = "",
    outputs: int | None = None,
    override: bool = False,
) -> Any:
    """Declares what an intrinsic means, as the body of a T.program::

        @mlc.intrinsic
        def tmm16(A: T.Buffer((16, 16)), B: T.Buffer((16, 16)), C: T.Buffer((16, 16))):
            for i, j, k in T.grid(16, 16, 16):
                C[i, j] += A[i, k] * B[k, j]

    ``tmm16(A[...], B[...], C[...])`` calls it in a program, ``s.tensorize(loop, "tmm16")`` puts it
    in the place of loops that compute the same. Without an implementation the meaning is written
    out. A buffer with a scope is an operand that must lie in that memory.
    """
    names = sys._getframe(1).f_locals

    def declare(function: Callable[..., Any]) -> DeclaredIntrinsic:
        meaning = _traced(function, outputs, names)
        made = register(Intrinsic(name or function.__name__, meaning), override)
        return DeclaredIntrinsic(made)

    return declare if function is None else declare(function)


def _traced(function: Callable[..., Any], outputs: int | None, names: Mapping[str, Any]) -> Program:
    source = source_of(function, names, outputs, None, {})
    if source.dims:
        raise ArgumentError(
            f"the sizes of intrinsic {function.__name__} must be numbers, but "
            f"{', '.join(source.dims)} are left open"
        )
    return source.trace({})
