"""LLVM through the Python side of llvmlite: assembly, optimisation, and other systems."""

from __future__ import annotations

import functools
import re
from typing import Any

from mlc.backends.llvm.target import Target
from mlc.errors import CompileError

from .emit import Optimize, refusal

_SPEED = {"light": 1, "full": 3}


def emit_assembly(
    ir_text: str, target: Target, *, optimize: Optimize = None, opt_level: int = 2
) -> str:
    """The assembly text of an LLVM IR module; same arguments and errors as :func:`emit_object`."""
    machine, module = prepared(ir_text, target, optimize, opt_level)
    return str(machine.emit_assembly(module))


def interface(ir_text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names a module defines for others, and the names it takes from others.

    Read from the text: an object file that is not ELF is opened by LLVM's linker, which wants
    to be told both.
    """
    name = r'@("?)([\w.$-]+)\1'
    defined = re.findall(rf"^define (?!internal|private)[^@\n]*{name}\(", ir_text, re.M)
    defined += re.findall(
        rf"^{name} = (?!internal|private|external)[^\n]*(?:global|constant)", ir_text, re.M
    )
    declared = re.findall(rf"^declare [^@\n]*{name}\(", ir_text, re.M)
    declared += re.findall(rf"^{name} = external\b", ir_text, re.M)
    imports = (n for _, n in declared if not n.startswith("llvm."))
    return tuple(n for _, n in defined), tuple(dict.fromkeys(imports))


def prepared(ir_text: str, target: Target, optimize: Optimize, opt_level: int) -> tuple[Any, Any]:
    """A target machine, and the module of a text that LLVM takes."""
    import llvmlite.binding as llvm

    machine = _target_machine(target, opt_level)
    # A context of its own frees the module's types and constants with it.
    try:
        module = llvm.parse_assembly(ir_text, context=llvm.create_context())
        module.verify()
    except RuntimeError as error:
        raise refusal(str(error), ir_text) from None
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    if optimize is not None:
        options = llvm.create_pipeline_tuning_options(speed_level=_SPEED[optimize])
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
    return machine, module


@functools.cache
def _target_machine(target: Target, opt_level: int) -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()
    try:
        selected = llvm.Target.from_triple(target.triple)
    except RuntimeError as error:
        raise CompileError(f"LLVM has no code generator for {target.triple!r}: {error}") from None
    return selected.create_target_machine(
        cpu=target.cpu,
        features=target.features,
        opt=opt_level,
        reloc="pic",
        codemodel="small",
    )
