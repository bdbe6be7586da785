"""Functions that import modules themselves: what those hold is traced, and watched, as others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc

INNER = """
import numpy as np
FACTOR = 2.0
def table(v):
    a, b = v
    return np.array([[a + b, 1.0], [b, FACTOR]])
"""
OUTER = """
def by_dots(v):
    from . import inner as other
    return other.table(v) * 2
def by_name(v):
    from local_imports.inner import table
    return table(v) + 1
def whole(v):
    import local_imports.late as late
    return late.table(v)
"""
X = np.array([3.0, 4.0])


@pytest.fixture
def outer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    package = tmp_path / "local_imports"
    package.mkdir()
    for name, text in (("__init__", ""), ("inner", INNER), ("outer", OUTER), ("late", INNER)):
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    import local_imports.inner  # type: ignore[import-not-found]
    import local_imports.outer  # type: ignore[import-not-found]

    yield local_imports.outer
    for name in [name for name in sys.modules if name.split(".")[0] == "local_imports"]:
        del sys.modules[name]


def test_what_is_imported_already(outer: Any) -> None:
    for function in (outer.by_dots, outer.by_name):
        compiled = mlc.jit(function)
        assert np.array_equal(compiled(X), function(X))
        sys.modules["local_imports.inner"].FACTOR = 5.0
        assert np.array_equal(compiled(X), function(X))


def test_what_is_imported_while_tracing(outer: Any) -> None:
    assert "local_imports.late" not in sys.modules
    compiled = mlc.jit(outer.whole)
    assert np.array_equal(compiled(X), outer.whole(X))
    sys.modules["local_imports.late"].FACTOR = 7.0
    assert np.array_equal(compiled(X), outer.whole(X))
