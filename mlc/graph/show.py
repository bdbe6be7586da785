"""A module of kernels as text, and as a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from ..te.show import tensor_text, type_text
from ..te.tensor import Placeholder, Tensor
from .kernel import Kernel, Module


def module_text(module: Module) -> str:
    """The kernels in order, each stage as the te.compute that it is, and the plan of the
    buffers."""
    takes = ", ".join(f"{t.name}: {type_text(t)}" for t in module.inputs)
    gives = ", ".join(type_text(t) for t in module.outputs)
    lines = [f"module {module.name}({takes}) -> ({gives})"]
    lines.append(f"workspace {module.workspace_bytes} bytes")
    for tensor in module.constants:
        lines.append(f"constant {tensor.name}: {type_text(tensor)}")
    for kernel in module.kernels:
        lines += ["", *kernel_text(kernel, module).splitlines()]
    return "\n".join(lines)


def kernel_text(kernel: Kernel, module: Module | None = None) -> str:
    """One kernel: its stages, and where what it makes is kept."""
    lines = [f"kernel {kernel.name}, {kernel.shared} shared:"]
    for stage in kernel.stages:
        for line in tensor_text(stage.tensors[0]).splitlines():
            lines.append(f"    {line}")
        for tensor in stage.tensors:
            lines.append(f"        # {_place(tensor, kernel, module)}")
    return "\n".join(lines)


def _place(tensor: Tensor, kernel: Kernel, module: Module | None) -> str:
    kind = type_text(tensor)
    if tensor in kernel.locals:
        return f"{kind}, local"
    if module is None:
        return kind
    slot = module.slots[tensor]
    if slot.kind == "workspace":
        return f"{kind}, workspace[{slot.position} : {slot.position + slot.nbytes}]"
    return f"{kind}, {slot.kind} {slot.position}"


def module_mermaid(module: Module) -> str:
    """The kernels and the tensors between them as a Mermaid flowchart."""
    lines = ["flowchart TD"]
    for name, label, is_kernel in _vertices(module):
        shape = f'["{label}"]' if is_kernel else f'(["{label}"])'
        lines.append(f"    {name}{shape}")
    for source, target, label in _edges(module):
        lines.append(f"    {source} -->|{label}| {target}")
    return "\n".join(lines)


def module_dot(module: Module) -> str:
    """The kernels and the tensors between them in the language of Graphviz."""
    lines = ["digraph {", "    rankdir=TB"]
    for name, label, is_kernel in _vertices(module):
        lines.append(f'    {name} [label="{label}", shape={"box" if is_kernel else "ellipse"}]')
    for source, target, label in _edges(module):
        lines.append(f'    {source} -> {target} [label="{label}"]')
    return "\n".join([*lines, "}"])


def _vertices(module: Module) -> list[tuple[str, str, bool]]:
    """(identifier, label, whether it is a kernel)."""
    found = [(f"in{n}", t.name, False) for n, t in enumerate(module.inputs)]
    found += [(f"const{n}", t.name, False) for n, t in enumerate(module.constants)]
    found += [(f"k{n}", k.name, True) for n, k in enumerate(module.kernels)]
    return found + [(f"out{n}", t.name, False) for n, t in enumerate(module.outputs)]


def _edges(module: Module) -> list[tuple[str, str, str]]:
    """(identifier, identifier, what flows)."""
    makers = _names("in", module.inputs) | _names("const", module.constants)
    edges = []
    for number, kernel in enumerate(module.kernels):
        edges += [(makers[t], f"k{number}", _label(t)) for t in kernel.inputs]
        makers |= dict.fromkeys(kernel.outputs, f"k{number}")
    return edges + [(makers[t], f"out{n}", _label(t)) for n, t in enumerate(module.outputs)]


def _names(prefix: str, tensors: Sequence[Tensor]) -> dict[Tensor, str]:
    return {t: f"{prefix}{n}" for n, t in enumerate(tensors)}


def _label(tensor: Tensor) -> str:
    strided = isinstance(tensor.op, Placeholder) and tensor.op.strides is not None
    return type_text(tensor).replace("[", "(").replace("]", ")") + (" strided" if strided else "")
