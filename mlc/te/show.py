"""Tensors and graphs as text."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.expr import Expr, Reduce
from ..ir.notation import Text, identifier, render, script_rule
from ..ir.sharing import shared_nodes
from ..ir.show import Names, combiner_text
from .tensor import Call, Compute, Constant, Operation, Placeholder, Tensor


def graph_text(outputs: Sequence[Tensor]) -> str:
    """One line for each operation that ``outputs`` need, inputs first, and a last one that returns.

    ``%3: float32[128, 64] = matmul(%1, %2)  # file.py:12``
    """
    order = operations(outputs)
    names: dict[tuple[int, int], str] = {}
    lines: list[tuple[str, str]] = []
    results: dict[int, dict[int, Tensor]] = {}
    for tensor in _tensors(outputs):
        results.setdefault(id(tensor.op), {})[tensor.index] = tensor
    count = 0
    for op in order:
        heads = []
        for index in sorted(results[id(op)]):
            tensor = results[id(op)][index]
            names[id(op), index] = name = f"%{count}"
            count += 1
            heads.append(f"{name}: {type_text(tensor)}")
        match op:
            case Placeholder():
                lines.append((f"{heads[0]} = input({tensor.name!r})", ""))
            case Constant(array=array):
                value = f"{array.item()!r}" if array.size == 1 else tensor.name
                lines.append((f"{heads[0]} = constant({value})", ""))
            case Compute() | Call():
                args = [names[id(t.op), t.index] for t in op.inputs]
                args += [
                    f"{key}={text}" for key, value in op.params if (text := _value_text(value))
                ]
                where = op.location
                note = "" if where is None else f"{where.filename.rpartition('/')[2]}:{where.line}"
                lines.append((f"{', '.join(heads)} = {op.op}({', '.join(args)})", note))
    lines.append((f"return {', '.join(names[id(t.op), t.index] for t in outputs)}", ""))
    width = max((len(text) for text, note in lines if note), default=0)
    return "\n".join(f"{text:<{width}}  # {note}" if note else text for text, note in lines)


def type_text(tensor: Tensor) -> str:
    """``float32[128, 64]``."""
    return f"{tensor.dtype.name}[{', '.join(map(str, tensor.shape))}]"


def _value_text(value: object) -> str:
    """What a static parameter is; nothing for one that was not given, and for a long one."""
    text = repr(value)
    return "" if value is None or value == "" or len(text) > 60 else text


def _tensors(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Every tensor that is reached, each after its inputs."""
    seen: set[Tensor] = set()
    order: list[Tensor] = []
    stack = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, expanded = stack.pop()
        if expanded:
            order.append(tensor)
        elif tensor not in seen:
            seen.add(tensor)
            stack.append((tensor, True))
            stack.extend((source, False) for source in reversed(tensor.inputs))
    return order


def operations(outputs: Sequence[Tensor]) -> list[Operation]:
    """The operations that ``outputs`` need, each once and after those of its inputs."""
    return list({id(tensor.op): tensor.op for tensor in _tensors(outputs)}.values())


def tensor_text(tensor: Tensor) -> str:
    """The source of one tensor: its placeholder, or its te.compute with the reduce axes it needs.

    Only this operation is written; the tensors that it reads go by their names.
    """
    op = tensor.op
    name = identifier(tensor.name)
    if isinstance(op, Placeholder):
        extra = "" if op.strides is None else f", strides={op.strides!r}"
        extra += "" if op.aligned else ", aligned=False"
        kind = tensor.dtype.name
        return f'{name} = te.placeholder({tensor.shape!r}, "{kind}", name="{tensor.name}"{extra})'
    if isinstance(op, Constant):
        return f'{name} = te.constant(array, name="{tensor.name}")  # {type_text(tensor)}'
    if isinstance(op, Call):
        read = ", ".join(identifier(source.name) for source in op.inputs)
        return f"{name} = te.call({identifier(op.program.name)}, {read})  # {type_text(tensor)}"
    several = len(op.body) > 1
    label = tensor.name.rpartition(".")[0] if several else tensor.name
    names = Names({"te", "np"})
    lines = []
    for source in op.inputs:
        names.add(source)
    result = [names.add((op, i), f"{label}_{i}" if several else label) for i in range(len(op.body))]
    root = op.body[0]
    if isinstance(root, Reduce):
        if not root.combiner.fn:
            text = combiner_text(root.combiner, "te.")
            lines.append(f"{names.add(root.combiner)} = {text}")
        for axis in root.axes:
            lines.append(f'{names.add(axis)} = te.reduce_axis({axis.extent}, "{axis.name}")')
    arguments = ", ".join([names.add(axis) for axis in op.axes])
    if isinstance(root, Reduce) and several:
        bodies: tuple[Expr, ...] = root.values
        named, texts = _texts(bodies, names)
        over = ", ".join(names[axis] for axis in root.axes)
        over = over if len(root.axes) == 1 else f"({over})"
        body = f"{names[root.combiner]}(({', '.join(texts)}), axis={over})"
    else:
        named, texts = _texts(op.body, names)
        body = f"({', '.join(texts)})" if several else texts[0]
    head = f"lambda {arguments}: " if arguments else "lambda: "
    if named:
        lines.append(f"def body({arguments}):")
        lines.extend(f"    {line}" for line in [*named, f"return {body}"])
        head, body = "body", ""
    target = ", ".join(result)
    shape = repr(tensor.shape)
    lines.append(f'{target} = te.compute({shape}, {head}{body}, name="{label}")')
    return "\n".join(lines)


def _texts(exprs: Sequence[Expr], names: Names) -> tuple[list[str], list[str]]:
    """Assignments for what ``exprs`` share, and the text of each."""
    rule = script_rule("te.", names)
    done: dict[Expr, Text] = {}
    named = []
    for number, node in enumerate(shared_nodes(exprs)):
        named.append(f"t{number} = {render(node, rule, done).text}")
        done[node] = Text(f"t{number}", 20)
    return named, [render(expr, rule, done).text for expr in exprs]
