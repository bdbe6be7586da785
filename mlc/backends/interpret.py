"""The reference interpreter as a backend: slow, checked, and right by construction."""

from __future__ import annotations

from dataclasses import dataclass

from ..ir.interpret import compile_program
from ..ir.program import Program
from .base import Kernel


@dataclass(frozen=True)
class InterpretBackend:
    """Runs a program one element at a time; see :func:`mlc.ir.interpret.compile_program`."""

    name: str = "interpret"
    check_uninitialised: bool = False
    reverse_parallel: bool = False

    def source(self, program: Program) -> str:
        return program.script()

    def compile(self, program: Program) -> Kernel:
        return compile_program(program, self.check_uninitialised, self.reverse_parallel)


BACKEND = InterpretBackend()
