"""Whether bytecode holds nothing that could become native, told without the source."""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from ..records import dataclass

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
_VIEWS = frozenset({"T", "mT", "real", "imag"})
# Methods that traced arrays and NumPy's have; lists, texts, dicts and sets have none of that name.
_METHODS = frozenset({
    "all", "any", "argmax", "argmin", "argsort", "astype", "clip", "conj", "cumprod", "cumsum",
    "diagonal", "dot", "flatten", "max", "mean", "min", "prod", "ravel", "repeat", "reshape",
    "round", "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose", "var",
})  # fmt: skip
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
# Functions that find traced values in the list that they are given first.
_JOINING = frozenset({"concatenate", "stack", "vstack", "hstack", "dstack", "column_stack"})
REDUCING = frozenset({"reduce", "accumulate", "reduceat"})  # which take lists of traced values so


NUMPY = ("np", "numpy")
_PACKAGE = __name__.partition(".")[0]
_OF_NUMPY = frozenset({"numpy", f"{_PACKAGE}.numpy", f"{_PACKAGE}.nn"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})


@dataclass(frozen=True)
class Plain:
    """What plain code asks for: the functions among its globals that it ``calls``, the ``modules``
    of which it calls some, and whether it calls methods of what it has (``has_methods``), reads
    variables of others, or views of arrays, and indexes by what is computed."""

    calls: frozenset[str]
    modules: frozenset[str] = frozenset()
    has_methods: bool = False
    reads_others: bool = False
    reads_views: bool = False
    indexes: bool = False

    def is_certain(self, of_arrays: bool) -> bool:
        """Whether all of it is harmless; ``of_arrays``: what is passed is arrays and numbers, and
        so is all that can be made of them."""
        others = self.reads_others or self.reads_views and not of_arrays
        if self.indexes and others:
            return False
        return not self.has_methods or of_arrays and not self.reads_others


def is_plain(function: Any, of_arrays: bool = False) -> bool:
    """Whether a Python function, and those of its module that it calls, have no branch, loop,
    negation, error or function in them, call nothing else but what NumPy and arrays have, index
    nothing by what is computed where they read variables of others, and compare nothing with a
    tuple that they make. False where that is not certain, and where they call each other in turn.
    ``of_arrays``: it is passed arrays and numbers alone (:func:`are_arrays`)."""
    return _is_plain(function, of_arrays, ())


def are_arrays(values: Iterable[Any]) -> bool:
    """Whether ``values`` are arrays and numbers."""
    return all(
        type(v) in (bool, int, float) or type(v) is np.ndarray and v.dtype.kind in "biufc"
        for v in values
    )


def _is_plain(function: Any, of_arrays: bool, around: tuple[types.CodeType, ...]) -> bool:
    if type(function) is not types.FunctionType or function.__code__ in around:
        return False
    code = function.__code__
    plain = plain_code(code)
    if plain is None:
        return False
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    of_arrays = of_arrays and are_arrays(v for v in defaults if v is not None)
    if not plain.is_certain(of_arrays):
        return False
    space, around = function.__globals__, (*around, code)
    of_arrays = of_arrays and not plain.reads_others
    if not all(_is_of_arrays(space.get(name)) for name in plain.modules):
        return False
    return all(_is_plain(space.get(name), of_arrays, around) for name in plain.calls)


def _is_of_arrays(module: Any) -> bool:
    """Whether ``module`` has the functions of NumPy, or others that are made for traced arrays."""
    return type(module) is types.ModuleType and module.__name__ in _OF_NUMPY


@lru_cache(maxsize=1024)
def plain_code(code: types.CodeType) -> Plain | None:
    """What has to be so that ``code`` is plain (see :func:`is_plain`); None if it is not."""
    in_module = is_called = is_tuple = False
    reads_others = reads_views = indexes = has_methods = False
    attribute, last = "", ""
    called, modules = set(), set()
    height, joining = 0, [-2]  # of the stack; where on it is what joins lists
    steps = [step for step in dis.get_instructions(code) if step.opname != "CACHE"]
    for step, following in zip(steps, (*steps[1:], steps[-1])):
        before, attribute = attribute, ""
        height += dis.stack_effect(step.opcode, step.arg)
        while joining[-1] > height:
            joining.pop()
        match step.opname:
            # Since 3.13 this comes behind what is called, and does not stand for what follows.
            case "PUSH_NULL" if in_module and before and sys.version_info >= (3, 13):
                if before.rstrip("_") in SCALARS:
                    return None
                if before in _JOINING:
                    joining.append(height)
            case "LOAD_GLOBAL":
                in_module, is_called = step.argval in NUMPY, "NULL" in step.argrepr
                if not in_module and _calls_a_part(is_called, following):
                    in_module = True
                    modules.add(step.argval)
                elif not in_module and is_called:
                    called.add(step.argval)
                elif not in_module:
                    reads_others = True
            case "LOAD_ATTR" | "LOAD_METHOD" if in_module:
                is_called |= step.opname == "LOAD_METHOD" or "NULL" in step.argrepr
                if is_called and step.argval.rstrip("_") in SCALARS:
                    return None
                if step.argval in REDUCING or step.argval in _REPLACED:
                    return None
                attribute = step.argval
                if is_called and attribute in _JOINING:
                    joining.append(height)
            case "BUILD_LIST" if height == joining[-1] + 1:
                pass
            case "LOAD_ATTR" | "LOAD_METHOD":
                if step.opname == "LOAD_METHOD" or "NULL" in step.argrepr:
                    if is_called or step.argval not in _METHODS:
                        return None
                    has_methods = True
                elif step.argval.startswith("__"):  # such as x.__class__
                    return None
                elif step.argval in _VIEWS:
                    reads_views = True
                else:
                    reads_others |= step.argval not in _OF_ARRAYS
            case name:
                if name not in _HARMLESS:
                    return None
                reads_others |= name == "LOAD_DEREF"
                indexes |= (name in _INDEXING or step.argrepr == "[]") and last not in _KNOWN
                if name == "COMPARE_OP" and is_tuple:
                    return None
                in_module = is_called = False
        is_tuple = step.opname == "BUILD_TUPLE"
        if step.opname != "PRECALL":
            last = step.opname
    return Plain(
        frozenset(called), frozenset(modules), has_methods, reads_others, reads_views, indexes
    )


def _calls_a_part(is_called: bool, following: dis.Instruction) -> bool:
    """Whether what is loaded is there for a part of it, which is called: ``nn.relu(x)``."""
    if following.opname not in _ATTRIBUTES:
        return False
    return is_called or following.opname == "LOAD_METHOD" or "NULL" in following.argrepr
