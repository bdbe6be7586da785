"""Operators that are called on plain arrays: each is compiled once for its static parameters."""

from __future__ import annotations

import functools
from typing import Any

from .jit import jit
from .ops.op import Op, frozen_key, set_eager

_LIMIT = 1024  # operators that are kept compiled
_functions: dict[Any, Any] = {}


def run_eagerly(op: Op, arrays: tuple[Any, ...], static: dict[str, Any]) -> Any:
    """What ``op`` makes of arrays."""
    key: Any = (op, frozen_key(static))
    try:
        function = _functions.get(key)
    except TypeError:  # a static parameter that cannot be hashed
        key, function = None, None
    if function is None:
        function = jit(functools.partial(op, **static))
        function._parameters.function = op.name
        if key is not None:
            while len(_functions) >= _LIMIT:
                _functions.pop(next(iter(_functions)), None)
            _functions[key] = function
    return function(*arrays)


set_eager(run_eagerly)
