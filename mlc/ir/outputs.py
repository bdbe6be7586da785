"""Which parameters of a program are written, and which of them are its outputs."""

from __future__ import annotations

from .program import Accumulate, Block, Buffer, Evaluate, Program, Region, Stmt, Store, walk


def written_buffers(body: Stmt) -> tuple[set[Buffer], set[Buffer]]:
    """The buffers that ``body`` writes, and those that it passes to calls, which may write them."""
    written: set[Buffer] = set()
    passed: set[Buffer] = set()
    for stmt in walk(body):
        match stmt:
            case Store(buffer=buffer):
                written.add(buffer)
            case Accumulate(buffers=buffers):
                written.update(buffers)
            case Block(writes=writes):
                written.update(region.buffer for region in writes or ())
            case Evaluate(args=args):
                for arg in args:
                    if isinstance(arg, Region):
                        passed.add(arg.buffer)
                    elif isinstance(arg, Buffer):
                        passed.add(arg)
    return written, passed


def count_outputs(params: tuple[Buffer, ...], body: Stmt) -> int | str:
    """How many of the last ``params`` are outputs; a sentence where they cannot be.

    Outputs are the first parameter that is written and all after it. A call may write what it is
    given. Where nothing else writes, what calls are given counts.
    """
    written, passed = written_buffers(body)
    first = next((n for n, param in enumerate(params) if param in written), None)
    if first is None:
        return 1 if params and params[-1] in passed else "it writes none of its parameters"
    for param in params[first:]:
        if param not in written and param not in passed:
            return (
                f"{params[first].name} is written but stands before {param.name}, which is not; "
                f"what a program writes are its outputs, and they stand last"
            )
    return len(params) - first


def unusual_writes(program: Program) -> tuple[Buffer, ...] | None:
    """The parameters that are written, where they are others than the outputs; else None.

    Programs of the compiler may have parameters to work in, which are written and are no outputs.
    """
    written, passed = written_buffers(program.body)
    inputs = program.params[: len(program.params) - program.outputs]
    outputs = program.params[len(inputs) :]
    if all(b in written or b in passed for b in outputs) and not written.intersection(inputs):
        return None
    return tuple(param for param in program.params if param in written)
