"""Functions that are passed over have no expansion, and others that of their family's module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mlc.dtypes import bfloat16, float16, float32, int64
from mlc.ir.expr import Cast, Var, apply
from mlc.ir.scalar import SCALAR_FNS
from mlc.lower import maths
from mlc.lower.expand_math import _BASIC, expand_math
from mlc.lower.maths import EXPANSIONS, FAMILIES


def test_what_is_passed_over_has_no_expansion() -> None:
    maths.load()
    assert not {name for name, _ in EXPANSIONS} & _BASIC
    assert set(SCALAR_FNS) >= _BASIC


def test_every_expansion_is_found_by_its_name() -> None:
    maths.load()
    declared: dict[str, set[str]] = {family: set() for family in FAMILIES}
    for (name, dtype), function in EXPANSIONS.items():
        declared[function.__module__.rpartition(".")[2]].add(name)
        assert maths.expansion_of(name, dtype) is function
    assert declared == {family: set(names.split()) for family, names in FAMILIES.items()}
    files = {path.stem for path in Path(maths.__file__).parent.glob("*.py")}
    assert files == {*FAMILIES, "__init__", "registry", "terms"}
    assert maths.expansion_of("exp", int64) is maths.expansion_of("lookup16", float32) is None


def test_narrow_floats_go_through_float32() -> None:
    for dtype in (float16, bfloat16):
        x = Var("x", dtype)
        tree = expand_math(apply("exp", x))
        assert isinstance(tree, Cast) and tree.dtype is dtype and tree.value.dtype is float32


def test_an_exponential_loads_no_other_family() -> None:
    code = (
        "import sys\nfrom mlc.ir.expr import Var, apply\nfrom mlc.dtypes import float32\n"
        "from mlc.lower.expand_math import expand_math\n"
        "expand_math(apply('exp', Var('x', float32)))\n"
        "print(*(m for m in sys.modules if m.startswith('mlc.lower.maths.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert names == {"exponential", "registry", "terms"}
