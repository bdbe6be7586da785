"""One kernel of a graph on its way to code: its program, and the schedule that it gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .errors import UnsupportedError
from .ir.program import Buffer, Evaluate, Program, walk
from .ir.work import statements_run
from .te.nests import nest_of
from .te.program import create_program
from .te.tensor import Placeholder, Tensor

if TYPE_CHECKING:
    from .backends.llvm.target import Target
    from .schedules.schedule import Schedule

STATEMENT_NS = 0.3  # what one statement takes, as far as a first guess needs to know


@dataclass(frozen=True, eq=False)
class KernelCode:
    """One kernel on its way: as blocks, scheduled, and flat.

    ``arguments`` says what tensor each param of the program is; in the flat program there may be
    more params, which are scratch memory.
    """

    program: Program
    scheduled: Program
    schedule: Schedule
    arguments: tuple[Tensor, ...]
    nanoseconds: float
    is_call: bool = False

    @cached_property
    def flat(self) -> Program:
        """The program after lowering."""
        from .lower.compact_buffers import compact_buffers
        from .lower.pipeline import lower

        if self.is_call:
            from .lower.prove_loops import prove_loops

            return lower(prove_loops(self.scheduled))
        # default schedules allocate no more than a tile
        return lower(self.scheduled, without=(compact_buffers,))


def schedule_kernel(kernel: Any) -> KernelCode:
    """The default schedule of a graph kernel."""
    from .backends.llvm.target import host_target
    from .schedules.defaults.cpu import default_schedule

    call = kernel.stages[0].call
    if call is not None:
        from .schedules.schedule import Schedule

        made = kernel.stages[0].tensors
        program = with_layouts(call.program, call.inputs)
        cost = STATEMENT_NS * statements_run(program.body)
        arguments = (*call.inputs, *made)
        return KernelCode(program, program, Schedule(program), arguments, cost, is_call=True)
    nests = [nest_of(stage.tensors) for stage in kernel.stages]
    naive = create_program(kernel.name, nests, kernel.inputs, kernel.outputs)
    done = default_schedule(
        kernel.name, nests, kernel.shared, kernel.inputs, kernel.outputs, _machine(host_target())
    )
    arguments = (*kernel.inputs, *done.scratch, *kernel.outputs)
    return KernelCode(naive, done.program, done.schedule, arguments, done.nanoseconds)


def with_layouts(program: Program, inputs: Sequence[Tensor]) -> Program:
    """``program`` over params that lie in memory as the arrays that a caller passes for them do."""
    from .lower.bind_blocks import bind_blocks
    from .lower.replace_buffers import Place, replace_buffers

    places = {}
    for buffer, tensor in zip(program.params, inputs, strict=False):
        op = tensor.op
        if isinstance(op, Placeholder) and (op.strides is not None or not op.aligned):
            lies = Buffer(buffer.name, buffer.shape, buffer.dtype, op.strides, aligned=op.aligned)
            places[buffer] = Place(lies)
    if not places:
        return program
    whole = {a for s in walk(program.body) if isinstance(s, Evaluate) for a in s.args}
    for buffer in places:
        if buffer in whole:
            raise UnsupportedError(
                f"{program.name} hands {buffer.name} to a library function, which needs it "
                f"C-contiguous; pass np.ascontiguousarray(...) of it"
            )
    params = tuple(places[b].buffer if b in places else b for b in program.params)
    body = replace_buffers(bind_blocks(program).body, places)
    return replace(program, params=params, body=body)


def _machine(target: Target) -> Any:
    from .runtime.threads import available_cpus
    from .schedules.defaults.machine import Machine

    return Machine(
        threads=available_cpus(),
        vector_bytes=target.vector_bits // 8,
        registers=target.vector_registers,
        l1=target.l1_bytes,
        l2=target.l2_bytes,
    )
