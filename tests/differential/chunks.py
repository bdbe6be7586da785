"""Random programs in chunks, each with seeds of its own: what a process of a long run does."""

from __future__ import annotations

from collections import Counter

from .compare import check, check_sizes, pasted, shrunk
from .program import draw_program

CHUNK = 50


def run_chunk(first: int, sizes: bool = False) -> tuple[Counter[str], Counter[str], list[str]]:
    """Outcomes, reasons of refusals and pasted failures of the programs from seed ``first`` on;
    with ``sizes`` each with an open first axis."""
    checked = check_sizes if sizes else check
    kinds, reasons, failures = Counter[str](), Counter[str](), []
    for seed in range(first, first + CHUNK):
        program = draw_program(seed)
        outcome = checked(program)
        kinds[outcome.kind] += 1
        if outcome.kind == "refused":
            reasons[outcome.text] += 1
        elif outcome.kind == "different":
            small = shrunk(program, checked)
            failures.append(f"# seed {seed}\n{pasted(small, checked(small).text)}")
    return kinds, reasons, failures
