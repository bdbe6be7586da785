"""What a program says of steps and loops that nobody has proven."""

from __future__ import annotations

from .program import Program


def unsafe_steps(*programs: Program) -> tuple[str, ...]:
    """The steps that were taken without proof, and the reasons that hand-written programs give for
    not being asked; none for the programs of operators, which only say that they are right."""
    found: list[str] = []
    for program in programs:
        match program.attrs.get("unsafe", ()):
            case str(reason):
                found.append(reason)
            case tuple() | list() as steps:
                found += map(str, steps)
    return tuple(found)


def unsafe_mark(*programs: Program) -> str:
    """What the repr of a function made of ``programs`` says of them; nothing if all is proven."""
    steps = unsafe_steps(*programs)
    return f", unsafe: {'; '.join(steps)}" if steps else ""
