"""Random programs in chunks, each with seeds of its own: what a process of a long run does."""

from __future__ import annotations

from collections import Counter

from .compare import check, pasted, shrunk
from .program import draw_program

CHUNK = 50


def run_chunk(first: int) -> tuple[Counter[str], Counter[str], list[str]]:
    """Outcomes, reasons of refusals and pasted failures of the programs from seed ``first`` on."""
    kinds, reasons, failures = Counter[str](), Counter[str](), []
    for seed in range(first, first + CHUNK):
        program = draw_program(seed)
        outcome = check(program)
        kinds[outcome.kind] += 1
        if outcome.kind == "refused":
            reasons[outcome.text] += 1
        elif outcome.kind == "different":
            small = shrunk(program)
            failures.append(f"# seed {seed}\n{pasted(small, check(small).text)}")
    return kinds, reasons, failures
