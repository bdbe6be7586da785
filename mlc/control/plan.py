"""What has been found out about a loop or branch, and what it carries in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from ..records import dataclass
from ..te.tensor import Tensor
from ..tracer.storage import Cell
from .orders import Orders
from .spec import Spec


@dataclass(eq=False)
class Plan:
    """What has been found out about a loop or branch so far."""

    carried: set[int] = field(default_factory=set)  # variables that get other values
    late: dict[int, tuple[Any, tuple[Spec, ...]]] = field(default_factory=dict)
    specs: dict[tuple[int, int], Spec] = field(default_factory=dict)
    cells: dict[Cell, None] = field(default_factory=dict)
    orders: Orders = field(default_factory=dict)

    def copy(self) -> Plan:
        """A plan of its own that says the same."""
        return Plan(set(self.carried), dict(self.late), dict(self.specs), dict(self.cells),
                    dict(self.orders))  # fmt: skip


@dataclass(eq=False)
class Carried:
    """A settled state: placeholders, first values and, for each body, the values at its end."""

    params: list[Tensor]
    init: list[Tensor]
    labels: list[str]
    ends: list[list[Tensor]]
    finish: Callable[[Sequence[Tensor]], None]
