"""Operators are declared when they are wanted: which module stands for which NumPy function."""

from __future__ import annotations

import subprocess
import sys

FOUND_ALONE = """
from mlc.ops import HOLDERS, load_only
from mlc.ops.op import NUMPY_FUNCTIONS, UFUNCS
from mlc.tracer.implementations import load_operators

def known():
    return {f: made for table in (UFUNCS, NUMPY_FUNCTIONS) for f, made in table.items()}

for name, module in HOLDERS.items():
    load_only(module)
    assert any(f.__name__ == name for f in known()), f"{name} is not declared in {module}"
before = known()
load_operators()
after = known()
assert len(after) > len(before)
for function, made in before.items():
    assert after[function] is made, f"{function} is declared in several modules"
"""

COMMON_CALLS = """
import sys
import numpy as np, mlc
x = np.ones((4, 4), np.float32)
mlc.jit(lambda a: np.mean(np.exp(a @ a), axis=0))(x)
mlc.jit(lambda a: np.concatenate([np.cumsum(a), np.linalg.norm(a)[None]]))(x)
print(*[m for m in sys.modules if m.startswith(("mlc.ops.", "mlc.tracer.complex"))])
"""


def _printed(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_is_right_and_the_order_of_imports_changes_nothing() -> None:
    assert _printed(FOUND_ALONE) == ""


def test_common_functions_bring_few_declarations() -> None:
    loaded = _printed(COMMON_CALLS).split()
    assert "mlc.ops.contract" in loaded and "mlc.ops.transcendental" in loaded
    for other in ("bessel", "counting", "polynomials", "quantile", "sets"):
        assert f"mlc.ops.{other}" not in loaded
    assert "mlc.tracer.complex.fft" not in loaded
