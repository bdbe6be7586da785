"""The content of a graph as a key: equal for graphs that compute the same in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..ir.combiner import Combiner
from ..ir.expr import Apply, Axis, Cast, Const, Expr, Load, Reduce, Select, Var
from ..ir.program import Program
from ..ir.rewrite import postorder
from .tensor import Call, Compute, Constant, Placeholder, Tensor

# hashlib loads OpenSSL, which takes a tenth of the time of `import mlc`.
try:
    from _blake2 import blake2b as blake2b  # type: ignore[import-not-found]
except ImportError:
    from hashlib import blake2b as blake2b

# Constants of up to so many bytes may be folded into code, so that their elements are in the key.
SMALL_CONSTANT = 64 << 10


def topological(outputs: Iterable[Tensor]) -> list[Tensor]:
    """The tensors that ``outputs`` depend on and they themselves, inputs before users."""
    order: dict[Tensor, None] = {}
    stack: list[tuple[Tensor, bool]] = [(t, False) for t in reversed(list(outputs))]
    seen: set[Tensor] = set()
    while stack:
        tensor, expanded = stack.pop()
        if expanded:
            order[tensor] = None
        elif tensor not in seen:
            seen.add(tensor)
            stack.append((tensor, True))
            stack.extend((t, False) for t in reversed(tensor.inputs))
    return list(order)


def graph_key(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    """A digest of the alpha-normal form.

    Names do not count: axes and tensors are numbered in order. Shapes, dtypes, layouts and the
    elements of small constants count; those of large ones do not.
    """
    numbers: dict[Tensor, int] = {}
    digest = blake2b(digest_size=20)
    bodies: dict[Compute, bytes] = {}
    programs: dict[Program, bytes] = {}
    for tensor in (*inputs, *topological(outputs)):
        if tensor in numbers:
            continue
        numbers[tensor] = len(numbers)
        head = f"{tensor.dtype.name}{tensor.shape}"
        match tensor.op:
            case Placeholder(strides=strides, aligned=aligned):
                digest.update(f"P{head}{strides}{aligned};".encode())
            case Constant(array=array):
                digest.update(f"K{head}{array.strides};".encode())
                if array.nbytes <= SMALL_CONSTANT:
                    digest.update(array.tobytes())
            case Compute() as op:
                if op not in bodies:
                    bodies[op] = body_text(op, numbers).encode()
                digest.update(f"C{head}{tensor.index}".encode())
                digest.update(bodies[op])
            case Call(program=program, inputs=read):
                from ..ir.structural import structural_key

                if program not in programs:
                    programs[program] = structural_key(program).encode()
                digest.update(f"X{head}{tensor.index}{[numbers[t] for t in read]}".encode())
                digest.update(programs[program])
    digest.update(repr([numbers[t] for t in outputs]).encode())
    return digest.hexdigest()


def body_text(op: Compute, tensors: dict[Tensor, int]) -> str:
    """The expressions of a compute, each distinct one once, by number."""
    names: dict[Expr, int] = {}
    out: list[str] = []
    for axis in op.axes:
        names[axis] = len(names)
    root = op.body[0]
    if isinstance(root, Reduce):
        for axis in root.axes:
            names[axis] = len(names)
            out.append(f"r{axis.extent}")
    for part in op.body:
        for node in postorder(part):
            if node not in names:
                out.append(_node_text(node, names, tensors))
                names[node] = len(names)
        out.append(f"={names[part]}")
    return "|".join(out)


def _node_text(node: Expr, names: dict[Expr, int], tensors: dict[Tensor, int]) -> str:
    refs = ",".join([str(names[child]) for child in node.children])
    match node:
        case Const(value=value):
            return f"{node.dtype.name}{value!r}"
        case Apply(fn=fn):
            return f"{fn}{refs}:{node.dtype.name}"
        case Load(source=source):
            return f"L{tensors[source]}[{refs}]"
        case Cast():
            return f"{node.dtype.name}({refs})"
        case Select():
            return f"S{refs}"
        case Reduce(combiner=combiner, axes=axes, index=index):
            folded = ",".join(str(names[axis]) for axis in axes)
            return f"R{index}{combiner_text(combiner)}{folded}({refs})"
        case Axis() | Var():
            return f"v{node.name}"
    raise AssertionError(type(node))


def combiner_text(combiner: Combiner) -> str:
    """What a combiner computes, whatever its name."""
    if combiner.fn:
        return f"{combiner.fn}{combiner.dtypes[0].name}"
    names: dict[Expr, int] = {v: n for n, v in enumerate(combiner.lhs + combiner.rhs)}
    out = [repr([c.value for c in combiner.identity]), str(combiner.commutative)]
    for part in combiner.result:
        for node in postorder(part):
            if node not in names:
                out.append(_node_text(node, names, {}))
                names[node] = len(names)
        out.append(f"={names[part]}")
    return "|".join(out)
