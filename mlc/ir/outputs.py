"""Which parameters of a program are its outputs, read off its statements."""

from __future__ import annotations

from .intrinsic import call_effects, is_intrinsic
from .program import Accumulate, Block, Buffer, Evaluate, Region, Stmt, Store, walk


def count_outputs(params: tuple[Buffer, ...], body: Stmt) -> int | str:
    """How many of the last ``params`` are outputs; a sentence where they cannot be.

    Outputs are the first parameter that is written and all after it. A call may write what it is
    given. Where nothing else writes, what calls are given counts.
    """
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
            case Evaluate(name=name) if is_intrinsic(name):
                written.update(region.buffer for region in call_effects(stmt)[1])
            case Evaluate(args=args):
                for arg in args:
                    if isinstance(arg, Region):
                        passed.add(arg.buffer)
                    elif isinstance(arg, Buffer):
                        passed.add(arg)
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
