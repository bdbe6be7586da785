"""Programs, each with the arguments that it is tried with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


class Collected(dict[str, tuple[Function, tuple[Any, ...]]]):
    """By name; one is added by ``@programs(x, y)`` above it."""

    def __call__(self, *args: Any) -> Callable[[Function], Function]:
        def add(function: Function) -> Function:
            self[function.__name__] = function, args
            return function

        return add
