"""How to tune: everything that ``mlc.tune`` and ``mlc.autotune`` can be told, checked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..records import dataclass
from .search import NAMES

if TYPE_CHECKING:
    from .database import Database, Layers
    from .measure.limits import Limits
    from .result import KernelResult, Trial

SECONDS = 60.0  # the budget where neither seconds nor trials are named


@dataclass(frozen=True)
class Options:
    """How to tune; :func:`mlc.tune.tuner.tune` says what each means."""

    budget: float | None = None
    trials: int | None = None
    search: str = "evolutionary"
    space: Any = None
    target: str | None = None
    seed: int = 0
    model: bool = True
    quiet: bool = True
    database: Database | Layers | Path | str | bool = True
    lock: Path | str | None = None
    limits: Limits | None = None
    executor: Executor | None = None
    on_trial: Callable[[KernelResult, Trial], Any] | None = None

    def __post_init__(self) -> None:
        for name in ("budget", "trials"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and value > 0):
                raise ArgumentError(f"{name} is a number above 0, got {value!r}")
        if self.search not in NAMES:
            raise ArgumentError(
                f"unknown search {self.search!r}; expected one of {', '.join(NAMES)}"
            )

    @property
    def seconds(self) -> float | None:
        """The budget in seconds; None where only trials are counted."""
        if self.budget is None and self.trials is None:
            return SECONDS
        return self.budget

    @staticmethod
    def names() -> tuple[str, ...]:
        """What they are called."""
        return tuple(Options.__dataclass_fields__)
