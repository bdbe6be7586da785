"""A flag that threads share: one of them raises it, the others see it sooner or later.

::

    see_flag(F, seen)     seen[0] = F[0]
    raise_flag(when, F)   if when[0]: F[0] = 1

Both are atomic, and order nothing else: what is done differs with what is seen, never the result.
"""

from __future__ import annotations

from ..dtypes import boolean, uint8
from ..ir.expr import cast, const, load
from ..ir.intrinsic import Intrinsic, register
from ..ir.program import Buffer, If, Program, Stmt, Store

_AT = (const(0),)


def _meaning(name: str, source: Buffer, target: Buffer, body: Stmt) -> Program:
    return Program(name, (source, target), body, 1)


def _see() -> Intrinsic:
    flag, seen = Buffer("F", (1,), uint8), Buffer("seen", (1,), uint8)
    body = Store(seen, _AT, load(flag, _AT))
    text = """
define void @see_flag(ptr %flag, ptr %seen) alwaysinline {
  %now = load atomic i8, ptr %flag monotonic, align 1
  store i8 %now, ptr %seen, align 1
  ret void
}"""
    return register(Intrinsic("see_flag", _meaning("see_flag", flag, seen, body), {"llvm": text}))


def _raise() -> Intrinsic:
    when, flag = Buffer("when", (1,), boolean), Buffer("F", (1,), uint8)
    body = If(cast(load(when, _AT), boolean), Store(flag, _AT, const(1, uint8)))
    text = """
define void @raise_flag(ptr %when, ptr %flag) alwaysinline {
  %given = load i8, ptr %when, align 1
  %holds = icmp ne i8 %given, 0
  br i1 %holds, label %up, label %done
up:
  store atomic i8 1, ptr %flag monotonic, align 1
  br label %done
done:
  ret void
}"""
    return register(
        Intrinsic("raise_flag", _meaning("raise_flag", when, flag, body), {"llvm": text})
    )


see_flag = _see()
raise_flag = _raise()
