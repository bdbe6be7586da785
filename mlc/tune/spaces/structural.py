"""The space of a workload, chosen by what its program looks like and never by names."""

from __future__ import annotations

from collections.abc import Callable

from ...ir.program import blocks_of
from ...looking.machine import Facts, this_machine
from ...schedules.schedule import Schedule
from ..space import Space, Template
from ..workload import Workload
from . import rows
from .contraction import contraction
from .folds import folds, is_along_folds
from .micro_kernel import is_product, micro_kernel
from .structure import Context, Nest, is_plain, nests_of


def structural_space(workload: Workload, facts: Facts | None = None) -> Space:
    """The templates that fit the structure of the workload's program, made for a machine."""
    context = Context(facts or this_machine(), workload.constants)
    return Space(workload, _templates(workload, context))


def _templates(workload: Workload, context: Context) -> list[Template]:
    program = workload.program
    if not is_plain(program):
        return []
    nests = nests_of(program)
    made: list[tuple[str, float, Callable[[Schedule], None]]] = []
    if any(nest.is_contraction or nest.is_stencil for nest in nests):
        made.append(("contraction", 4.0, lambda s: _around_the_heaviest(s, context)))
    heaviest = max(nests, key=lambda nest: nest.points)
    if is_product(Schedule(program), heaviest.name):
        made.append(("micro-kernel", 1.0, lambda s: _in_micro_kernels(s, heaviest.name, context)))
    if is_along_folds(heaviest, context.lanes(heaviest)):
        made.append(("folds", 4.0, lambda s: _around_the_longest_fold(s, context)))
    if heaviest.is_contraction and 2 * heaviest.points >= sum(nest.points for nest in nests):
        nests = []  # the others do not reuse what they load
    if len(nests) == 1 and rows.is_transposed(Schedule(program)):
        made.append(("transposed", 2.0, lambda s: rows.transposed(s, context)))
    if len(nests) > 1:
        made.append(("shared rows", 1.0, lambda s: _inlined(s, context, rows.shared_rows)))
        made.append(("columns", 0.5, lambda s: _inlined(s, context, rows.columns)))
    if context.facts.threads > 1 and _is_long(nests):
        made.append(("chunks", 1.0, lambda s: _inlined(s, context, rows.chunks)))
    if nests:
        made.append(("one by one", 1.0, lambda s: _inlined(s, context, rows.one_by_one)))
    return [Template(name, function, weight, is_pure=True) for name, weight, function in made]


def _is_long(nests: list[Nest]) -> bool:
    """Whether some fold is long, and its results too few to keep all threads at work."""
    return any(
        n.reduce and max(n.extents[v] for v in n.reduce) >= 64 and n.points >= 1 << 16
        for n in nests
    )


def _inlined(s: Schedule, context: Context, then: Callable[[Schedule, Context], None]) -> None:
    rows.inline(s, context)
    then(s, context)


def _around_the_heaviest(s: Schedule, context: Context) -> None:
    """The contraction that most points belong to is tiled; the rest follows it."""
    rows.inline(s, context)
    fitting = [n for n in nests_of(s.program) if n.is_contraction or n.is_stencil]
    heaviest = max(fitting, key=lambda n: n.points)
    contraction(s, heaviest.name, context)


def _in_micro_kernels(s: Schedule, name: str, context: Context) -> None:
    """The product that most points belong to is tiled for calls; the rest follows it."""
    rows.inline(s, context)
    micro_kernel(s, name, context)


def _around_the_longest_fold(s: Schedule, context: Context) -> None:
    """What most points belong to is summed in lanes, several results at once."""
    rows.inline(s, context)
    heaviest = max(nests_of(s.program), key=lambda n: n.points)
    folds(s, heaviest.name, context)


def block_names(s: Schedule) -> list[str]:
    """The blocks in program order."""
    return [block.name for block in blocks_of(s.program.body)]
