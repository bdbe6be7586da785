"""``mlc.intrinsic``: an intrinsic as a program that says what it does, and native code for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
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
        them ``define void @name(...)``. ``"c"``: the same with C source; ``"cuda"``: CUDA C, a
        function ``MLC_DEVICE void name(...)`` over the names of the prelude. Native code takes for
        each operand a pointer to its first element, and for each of its dimensions that is not 1
        the stride in elements (int64); on a card, of an operand that threads hold, a pointer to
        what is this thread's. ``"program"``: the body of a T.program with the operands of the
        meaning, which does the work by simpler statements or calls.
        """
        names = sys._getframe(1).f_locals

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            self.intrinsic.implement(target, self._content(target, function, names))
            return function

        return decorate

    def check(self, trials: int = 6, seed: int = 0) -> None:
        """Runs the native code and the meaning on whole numbers, in operands with random strides;
        CUDA C is emulated.

        Raises :class:`CompileError` with the first element that differs, be it beside an operand,
        and :class:`ArgumentError` where a call cannot stand alone: threads hold an operand.
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
    needs: Iterable[str] = (),
    near: Mapping[str, int] | None = None,
    threads: int = 1,
    held: Mapping[str, int] | None = None,
    rows: Mapping[str, int] | None = None,
    mixes: Iterable[str] = (),
    zeros: Iterable[str] = (),
) -> Any:
    """Declares what an intrinsic means, as the body of a T.program::

        @mlc.intrinsic
        def tmm16(A: T.Buffer((16, 16)), B: T.Buffer((16, 16)), C: T.Buffer((16, 16))):
            for i, j, k in T.grid(16, 16, 16):
                C[i, j] += A[i, k] * B[k, j]

    ``tmm16(A[...], B[...], C[...])`` calls it in a program, ``s.tensorize(loop, "tmm16")`` puts it
    in the place of loops that compute the same. Without an implementation the meaning is written
    out. A buffer with a scope is an operand that must lie in that memory.

    Native code is called where the processor has the features that it ``needs``, as LLVM names
    them, and so many last dimensions of the operands in ``near`` are contiguous.

    On a card so many ``threads`` do a call together: 1, or a warp of 32. Of an operand in ``held``
    each of them holds so many elements, a fragment. ``rows`` are operands whose rows are contiguous
    and begin at multiples of so many bytes; those in ``mixes`` may lie mixed in shared memory, and
    those in ``zeros`` may reach past the ends of their arrays, where a call reads 0.
    """
    names = sys._getframe(1).f_locals

    def declare(function: Callable[..., Any]) -> DeclaredIntrinsic:
        meaning = _traced(function, outputs, names)
        made = Intrinsic(
            name or function.__name__, meaning, {}, threads, dict(held or {}), dict(rows or {}),
            frozenset(mixes), frozenset(zeros), frozenset(needs), dict(near or {}),
        )  # fmt: skip
        return DeclaredIntrinsic(register(made, override))

    return declare if function is None else declare(function)


def _traced(function: Callable[..., Any], outputs: int | None, names: Mapping[str, Any]) -> Program:
    source = source_of(function, names, outputs, None, {})
    if source.dims:
        raise ArgumentError(
            f"the sizes of intrinsic {function.__name__} must be numbers, but "
            f"{', '.join(source.dims)} are left open"
        )
    return source.trace({})
