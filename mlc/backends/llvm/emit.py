"""From LLVM IR text to object code or assembly: with `library`, the only place that calls LLVM.

Kernels come out of our own passes with explicit vectors, so LLVM's optimiser is off by default: it
finds nothing and costs most of the compile time. Where the host's objects are not ELF (macOS,
Windows) the object is still emitted, and the image loader hands it to LLVM's own JIT linker.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Literal

from mlc.backends.llvm import library
from mlc.backends.llvm.target import Target, host_target
from mlc.errors import CompileError

Optimize = Literal["light", "full"] | None

_SPEED = {"light": 1, "full": 3}


def emit_object(
    ir_text: str, target: Target, *, optimize: Optimize = None, opt_level: int = 2
) -> bytes:
    """The relocatable object file of an LLVM IR module.

    ``optimize`` runs LLVM's O1 (``"light"``) or O3 (``"full"``) pipeline first; ``opt_level`` (0-3)
    is the effort of instruction selection, scheduling and register allocation. Raises
    :class:`CompileError`, which carries the text, when LLVM refuses the module.
    """
    if optimize is None and library.is_direct() and target.triple == host_target().triple:
        try:
            return library.emit(ir_text, target, opt_level)
        except library.RefusedError as error:
            raise _refusal(str(error), ir_text) from None
    machine, module = _prepared(ir_text, target, optimize, opt_level)
    return bytes(machine.emit_object(module))


def emit_assembly(
    ir_text: str, target: Target, *, optimize: Optimize = None, opt_level: int = 2
) -> str:
    """The assembly text of an LLVM IR module; same arguments and errors as :func:`emit_object`."""
    machine, module = _prepared(ir_text, target, optimize, opt_level)
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


def _prepared(ir_text: str, target: Target, optimize: Optimize, opt_level: int) -> tuple[Any, Any]:
    import llvmlite.binding as llvm

    machine = _target_machine(target, opt_level)
    # A context of its own frees the module's types and constants with it.
    try:
        module = llvm.parse_assembly(ir_text, context=llvm.create_context())
        module.verify()
    except RuntimeError as error:
        raise _refusal(str(error), ir_text) from None
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    if optimize is not None:
        options = llvm.create_pipeline_tuning_options(speed_level=_SPEED[optimize])
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
    return machine, module


def _refusal(words: str, ir_text: str) -> CompileError:
    return CompileError(
        f"LLVM refused generated code, which is a bug in mlc: {words.strip()}", ir_text
    )


@functools.cache
def _target_machine(target: Target, opt_level: int) -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
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
