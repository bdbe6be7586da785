"""Rows sorted by vector code: by a network of our own, or NumPy's functions where it has them.

::

    sort_row(float32, 1000, meaning)        A[1000] = sorted A[1000]

A network sorts rows of more vectors than NumPy holds in registers, up to the length from which on
dividing them wins (`mlc.intrinsics.sorting_network`). NumPy's C API gives the function of a dtype
that sorts contiguous elements in place
(PyArray_ArrFuncs, "sort"); it holds no lock and needs no array. Code calls it by the name
``mlc_numpy_sort_<dtype>``, and finds it when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ..dtypes import DType
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, register
from ..ir.program import Program

PREFIX = "mlc_numpy_sort_"
NUMPY_HOLDS = 32  # vectors that NumPy sorts in registers
NETWORK_BYTES = 1 << 14  # of the longest row that a network sorts
PART_BYTES = 1 << 13  # of the longest part that one sorts
DIVIDED_BYTES = 1 << 16  # of the shortest row that is divided until a network sorts its parts
DEPTH = 48  # divisions one in another, most of all


@cache
def cpu_features() -> dict[str, bool]:
    """What NumPy found of this processor."""
    try:
        from numpy._core import _multiarray_umath as core  # type: ignore[attr-defined]
    except ImportError:  # NumPy 1.26
        from numpy.core import _multiarray_umath as core  # type: ignore[no-redef]
    return dict(core.__cpu_features__)


def has_vector_sort(dtype: DType) -> bool:
    """Whether NumPy sorts ``dtype`` by vector instructions on this machine."""
    if dtype.name in ("bfloat16", "bool") or dtype.itemsize == 1:
        return False
    wanted: tuple[str, ...] = ("AVX512_SKX", "AVX2", "ASIMD")
    if dtype.itemsize == 2:
        wanted = ("AVX512_ICL",) if dtype.is_float else ("AVX512_ICL", "ASIMD")
    return any(cpu_features().get(name, False) for name in wanted)


def network_bits(dtype: DType, n: int) -> int:
    """How wide vectors are by which a network sorts ``n`` elements; 0 where NumPy does better."""
    features = cpu_features()
    bits = 512 if features.get("AVX512_SKX", False) else 256 if features.get("AVX2", False) else 0
    fits = bits and dtype.itemsize in (4, 8) and n * dtype.bits > NUMPY_HOLDS * bits
    return bits if fits and n * dtype.itemsize <= NETWORK_BYTES else 0


def sort_row(dtype: DType, n: int, variant: str, meaning: Callable[[str], Program]) -> Intrinsic:
    """The sort of ``n`` contiguous elements in place. ``meaning(name)`` writes the program that
    says so, one for each ``variant``."""
    name = f"sort_{dtype.name}_{n}{variant}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    return register(Intrinsic(name, meaning(name), {"llvm": _text(name, dtype, n)}))


def divides(dtype: DType, n: int) -> bool:
    """Whether rows of ``n`` elements are divided by vector code of our own."""
    return has_compress(dtype) and n * dtype.itemsize >= DIVIDED_BYTES


def has_compress(dtype: DType) -> bool:
    """Whether this machine compresses vectors of ``dtype`` in registers."""
    return dtype.itemsize in (4, 8) and cpu_features().get("AVX512_SKX", False)


def division_text(dtype: DType) -> str:
    """A module with ``sort_many``; see :func:`mlc.intrinsics.sorting_division.sort_many`."""
    from .key_text import KeyText
    from .sorting_division import sort_many

    t = KeyText(dtype, 512)
    sort_many("sort_many", t, PART_BYTES // dtype.itemsize, f"@{PREFIX}int{dtype.bits}")
    return t.text()


def _text(name: str, dtype: DType, n: int) -> str:
    bits = network_bits(dtype, n)
    if bits:
        from .key_text import KeyText
        from .sorting_network import sort_few

        t = KeyText(dtype, bits)
        sort_few("few", t, n, keys=False)
        t.add(
            f"define void @{name}(ptr %a, i64 %step) {{",
            "entry:",
            f"  call void @few(ptr %a, i64 {n}, ptr %a)",
            "  ret void",
            "}",
        )
        return t.text()
    called = f"@{PREFIX}{dtype.name}"
    return f"""
declare i32 {called}(ptr, i64, ptr)
define void @{name}(ptr %a, i64 %step) {{
entry:
  %code = call i32 {called}(ptr %a, i64 {n}, ptr null)
  ret void
}}"""
