"""The simulator as a backend: as slow as the interpreter, and it refuses what hardware would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..ir.program import Program
from .base import Kernel


@dataclass(frozen=True)
class SimulateBackend:
    """Runs a program as hardware would run it; see :func:`mlc.simulator.simulate`."""

    name: str = "simulate"
    orders: int = 3

    def source(self, program: Program) -> str:
        return program.script()

    def compile(self, program: Program) -> Kernel:
        from ..simulator import simulate

        def run(*arrays: Any) -> None:
            simulate(program, *arrays, orders=self.orders)

        return run


BACKEND = SimulateBackend()
