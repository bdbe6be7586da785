"""Whether bytecode holds nothing that could become native, told without the source."""

from __future__ import annotations

import dis
import sys
import types
from functools import lru_cache
from typing import Any

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
_KNOWN = frozenset({"LOAD_CONST", "LOAD_SMALL_INT"})
_OF_ARRAYS = frozenset({"shape", "ndim", "size", "dtype"})  # attributes without elements
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


NUMPY = ("np", "numpy")


def is_plain(function: Any) -> bool:
    """Whether a Python function, and those of its module that it calls, have no branch, loop,
    negation, error or function in them, call nothing else but what NumPy has, index nothing by what
    is computed where they read variables of others, and compare nothing with a tuple that they
    make. False where that is not certain, and where they call each other in turn."""
    return _is_plain(function, ())


def _is_plain(function: Any, around: tuple[types.CodeType, ...]) -> bool:
    if type(function) is not types.FunctionType or function.__code__ in around:
        return False
    code = function.__code__
    called = plain_calls(code)
    if called is None:
        return False
    space, around = function.__globals__, (*around, code)
    return all(_is_plain(space.get(name), around) for name in called)


@lru_cache(maxsize=1024)
def plain_calls(code: types.CodeType) -> frozenset[str] | None:
    """The functions among its globals that ``code`` calls, which is plain if they are (see
    :func:`is_plain`); None if it is not."""
    in_module = is_called = reads_others = indexes = is_tuple = False
    attribute, last = "", ""
    called = set()
    for step in dis.get_instructions(code):
        before, attribute = attribute, ""
        match step.opname:
            # Since 3.13 this comes behind what is called, and does not stand for what follows.
            case "PUSH_NULL" if in_module and before and sys.version_info >= (3, 13):
                if before.rstrip("_") in SCALARS:
                    return None
            case "LOAD_GLOBAL":
                in_module, is_called = step.argval in NUMPY, "NULL" in step.argrepr
                if not in_module and is_called:
                    called.add(step.argval)
                elif not in_module:
                    reads_others = True
            case "LOAD_ATTR" | "LOAD_METHOD":
                is_called |= step.opname == "LOAD_METHOD" or "NULL" in step.argrepr
                if not in_module:  # what is an attribute is read as it is, but not called
                    if is_called or step.argval == "__class__":
                        return None
                    reads_others |= step.argval not in _OF_ARRAYS
                elif (
                    is_called
                    and step.argval.rstrip("_") in SCALARS
                    or step.argval in REDUCING
                    or step.argval in _REPLACED
                ):
                    return None
                attribute = step.argval if in_module else ""
            case name:
                if name not in _HARMLESS:
                    return None
                reads_others |= name == "LOAD_DEREF"
                is_index = name in _INDEXING or step.argrepr == "[]"
                indexes |= is_index and last not in _KNOWN
                if name == "COMPARE_OP" and is_tuple:
                    return None
                in_module = is_called = False
        is_tuple = step.opname == "BUILD_TUPLE"
        if step.opname not in ("CACHE", "PRECALL"):
            last = step.opname
    return None if reads_others and indexes else frozenset(called)
