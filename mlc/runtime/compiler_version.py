"""What tells this compiler from others, in the keys of the disk cache."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

# What these parts do is in a key itself: the expressions or the program that they made.
_BEFORE_KEYS = frozenset({
    "command", "control", "cuda", "looking", "numpy", "ops", "script", "simulator", "testing",
    "tracer", "tune", "__pycache__",
})  # fmt: skip


@cache
def compiler_version() -> str:
    """The newest source file of what turns graphs and programs into code, and LLVM's wrapper.

    Every file is looked at, since editors may write into one and leave its folder as it was.
    """
    folders, newest = [str(Path(__file__).parent.parent)], 0
    for folder in folders:
        with os.scandir(folder) as items:
            for item in items:
                name = item.name
                if name.endswith(".py"):
                    newest = max(newest, item.stat().st_mtime_ns)
                elif name not in _BEFORE_KEYS and "." not in name and item.is_dir():
                    folders.append(item.path)
    llvm = find_spec("llvmlite")
    built = os.stat(llvm.origin).st_mtime_ns if llvm is not None and llvm.origin else 0
    return f"{newest:x} llvmlite {built:x} numpy {np.__version__}"
