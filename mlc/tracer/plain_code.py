"""Whether bytecode holds nothing that could become native, told without the source."""

from __future__ import annotations

import dis
import sys
import types
from functools import lru_cache

# Arithmetic and calls over variables; anything else, jumps above all, may be of interest.
_HARMLESS = frozenset({
    "CACHE", "RESUME", "NOP", "COPY_FREE_VARS", "POP_TOP", "COPY", "SWAP", "PRECALL", "CALL",
    "KW_NAMES", "CALL_KW", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_FAST", "LOAD_FAST_LOAD_FAST",
    "LOAD_FAST_BORROW", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_FAST_CHECK", "LOAD_DEREF",
    "STORE_FAST", "STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST", "BINARY_OP", "BINARY_SUBSCR",
    "BINARY_SLICE", "STORE_SUBSCR", "STORE_SLICE", "COMPARE_OP", "UNARY_NEGATIVE", "UNARY_INVERT",
    "BUILD_TUPLE", "BUILD_SLICE", "UNPACK_SEQUENCE", "RETURN_VALUE", "RETURN_CONST",
})  # fmt: skip
_INDEXING = frozenset({"BINARY_SUBSCR", "BINARY_SLICE"})
# Classes that take traced values only with help: np.float32(x).
SCALARS = frozenset({
    "float16", "float32", "float64", "half", "single", "double", "int8", "int16", "int32", "int64",
    "intp", "int", "uint8", "uint16", "uint32", "uint64", "uintp", "complex64", "complex128",
    "bool",
})  # fmt: skip

# Or some of their functions are, or those that they are given.
_REPLACED = frozenset({
    "lib", "testing", "apply_along_axis", "apply_over_axes", "vectorize", "piecewise",
    "fromfunction", "frompyfunc",
})  # fmt: skip
REDUCING = frozenset({"reduce", "accumulate", "reduceat"})  # which take lists of traced values so


@lru_cache(maxsize=1024)
def is_plain(code: types.CodeType, names: tuple[str, ...]) -> bool:
    """Whether ``code`` has no branch, loop, negation, error or function in it, calls nothing
    but what is found in the modules ``names``, indexes nothing where it reads variables of others,
    and compares nothing with a tuple that it makes. False where that is not certain."""
    in_module = is_called = reads_others = indexes = False
    is_tuple = False
    attribute = ""
    for step in dis.get_instructions(code):
        before, attribute = attribute, ""
        match step.opname:
            # Since 3.13 this comes behind what is called, and does not stand for what follows.
            case "PUSH_NULL" if in_module and before and sys.version_info >= (3, 13):
                if before.rstrip("_") in SCALARS:
                    return False
            case "LOAD_GLOBAL":
                in_module, is_called = step.argval in names, "NULL" in step.argrepr
                if not in_module and "NULL" in step.argrepr:
                    return False
                reads_others |= not in_module
            case "LOAD_ATTR" | "LOAD_METHOD":
                is_called |= step.opname == "LOAD_METHOD" or "NULL" in step.argrepr
                if not in_module or is_called and step.argval.rstrip("_") in SCALARS:
                    return False
                if step.argval in REDUCING:
                    return False
                if step.argval in _REPLACED:
                    return False
                attribute = step.argval
            case name:
                if name not in _HARMLESS:
                    return False
                reads_others |= name == "LOAD_DEREF"
                indexes |= name in _INDEXING or step.argrepr == "[]"
                if name == "COMPARE_OP" and is_tuple:
                    return False
                in_module = False
        is_tuple = step.opname == "BUILD_TUPLE"
    return not (reads_others and indexes)
