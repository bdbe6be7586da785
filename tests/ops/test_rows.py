"""Every function and method of NumPy's that is declared stands in a row of a table, and so is tried
in all dtypes, layouts and backends."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

import mlc
from mlc.ops import op

from . import harness
from .cases import Case, all_cases


def _name(key: Any) -> str:
    if isinstance(key, tuple):
        return f"np.{key[0].__name__}.{key[1]}"
    return f"{getattr(key, '__module__', None) or 'numpy'}.{key.__name__}"


def _traced(case: Case) -> None:
    """The simplest example of a row, traced."""

    @settings(max_examples=1, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case.inputs)
    def on(arrays: Any) -> None:
        if case.needs_jit:
            mlc.jit(case.function, target="interpret")(*arrays)
        else:
            harness.trace(case.function, arrays)

    on()


def test_everything_declared_has_a_row(monkeypatch: Any) -> None:
    called: set[Any] = set()
    depth = 0

    def noting(key: Any, function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            if not depth:  # what others call while they are traced is not tried
                called.add(key)
            depth += 1
            try:
                return function(*args, **kwargs)
            finally:
                depth -= 1

        return call

    declared: list[Any] = []
    for table in (op.NUMPY_FUNCTIONS, op.UFUNCS, op.UFUNC_METHODS):
        ours = {key: f for key, f in table.items() if f.__module__.startswith("mlc.ops.")}
        declared += ours
        for key, function in ours.items():
            monkeypatch.setitem(table, key, noting(key, function))
    for case in all_cases():
        _traced(case)
    missing = sorted(_name(key) for key in declared if key not in called)
    assert not missing, f"these have no row in tests/ops/table_*.py: {', '.join(missing)}"
