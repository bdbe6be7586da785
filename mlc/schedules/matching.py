"""Which block and which loop of an edited program an old name or place means."""

from __future__ import annotations

from collections.abc import Mapping

from .record import Chain, Role


def same_names(old: list[str], new: list[str], strict: bool) -> dict[str, str | None]:
    """What the blocks or buffers are called now: those that kept their names, and, if as many old
    names are gone as new ones came, those in the same order; None for one that is gone. Where the
    program is ``strict``ly the same but for names, it is the order alone that counts."""
    if strict and len(old) == len(new):
        return dict(zip(old, new, strict=True))
    gone = [name for name in old if name not in new]
    came = [name for name in new if name not in old]
    out: dict[str, str | None] = {name: name for name in old if name in new}
    matched = len(gone) == len(came)
    out.update((name, came[n] if matched else None) for n, name in enumerate(gone))
    return out


def same_blocks(
    old: Mapping[str, Role | None], new: Mapping[str, Role], strict: bool
) -> dict[str, str | None]:
    """:func:`same_names` of blocks; a block of another name must have axes of the same kinds."""
    found = same_names(list(old), list(new), strict)
    for before, after in found.items():
        role = old[before]
        if after is not None and after != before and role is not None and not strict:
            if new[after].kinds != role.kinds:
                found[before] = None
    return found


def changed_role(old: Role, new: Role, buffers: Mapping[str, str | None]) -> str:
    """What a block does otherwise than before, where buffers are called as ``buffers`` says now;
    empty if nothing."""
    changes = []
    if old.kinds != new.kinds:
        changes.append(f"has axes {new.kinds or '()'}, had {old.kinds or '()'}")
    for verb, was, before, after in (
        ("reads", "read", old.reads, new.reads),
        ("writes", "wrote", old.writes, new.writes),
    ):
        if {buffers.get(name) or name for name in before} != set(after):
            changes.append(f"{verb} {_listed(after)}, {was} {_listed(before)}")
    return " and ".join(changes)


def same_loops(old: Chain, new: Chain) -> list[int | None]:
    """Where each loop of ``old`` stands in ``new``; None for one that is gone.

    Loops that only changed places go by their names, of those that only changed names the place
    counts; where there are more or fewer loops, names and, between two that are found, places.
    """
    befores, afters = [name for name, _ in old], [name for name, _ in new]
    if befores == afters:
        return list(range(len(old)))
    if sorted(befores) != sorted(afters) and len(old) == len(new):
        return list(range(len(old)))
    out: list[int | None] = []
    for n, name in enumerate(befores):
        which = befores[:n].count(name)
        places = [m for m, other in enumerate(afters) if other == name]
        out.append(places[which] if which < len(places) else None)
    free = [m for m in range(len(new)) if m not in out]
    lost = [n for n, place in enumerate(out) if place is None]
    if len(free) == len(lost):
        for n, m in zip(lost, free):
            out[n] = m
    return out


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"
