"""expand_device_calls: calls that have no CUDA text become what they mean."""

from __future__ import annotations

from ...errors import UnsupportedError
from ...ir.intrinsic import expand_call, intrinsic_named, is_intrinsic, regions_of_call
from ...ir.program import Evaluate, Program, Stmt, walk
from ...schedules.step import rebuild
from .kernel import BARRIER


def expand_device_calls(program: Program) -> Program:
    """``T.call("tmm16", A[...], B[...], C[...])`` -> the loops that "tmm16" means, unless it is
    implemented for "cuda".

    Raises :class:`UnsupportedError` for a call of a function of a library.
    """
    if not any(isinstance(s, Evaluate) for s in walk(program.body)):
        return program

    def on(stmt: Stmt) -> Stmt | None:
        match stmt:
            case Evaluate(name=name) if name == BARRIER:
                return stmt
            case Evaluate(name=name) if is_intrinsic(name):
                if "cuda" in intrinsic_named(name).implementations:
                    return Evaluate(name, regions_of_call(stmt))
                return rebuild(expand_call(stmt), on)
            case Evaluate(name=name):
                raise UnsupportedError(
                    f"{program.name} calls {name}, a function of a library of the processor, which "
                    f'a CUDA kernel cannot call; run that part with target="cpu"'
                )
        return None

    return program.with_body(rebuild(program.body, on))
