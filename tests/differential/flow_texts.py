"""Texts and members of an enum in random control flow: states, labels in lists, keys, results."""

from __future__ import annotations

# {variable: its first value}: texts, a list of them, dicts by them, a pair, a member of an enum.
FIRST = {
    "tx": "'lo'",
    "ty": "'hi'",
    "lt": "['lo', 'mid']",
    "dt": "{'lo': 1, 'mid': 0, 'hi': 2}",
    "ut": "{'lo'}",
    "tp": "('lo', 0.5)",
    "le": "Level.LOW",
}
CLASSES = """class Level(Enum):
    LOW = 'low'
    HIGH = 2
"""
STATEMENTS = (
    "tx = 'hi'", "tx = 'lo' if {B} else 'mid'", "tx, ty = ty, tx", "ty = tx", "tx = ['lo', 'mid', 'hi'][{I} % 3]", "tx = lt[-1] if lt else 'none'",
    "if {B}:\n    tx = 'hi'\nelif tx == 'hi':\n    tx = 'mid'", "if tx == ty:\n    n += 1\nelse:\n    s += 0.5", "if tx in ('lo', 'hi'):\n    c += 1", "if tx != 'lo' and {B}:\n    m += 1\n    tx = 'lo'",
    "lt.append(tx)", "lt.append('hi' if {B} else 'lo')", "if lt:\n    ty = lt.pop()", "lt = [g for g in lt if g != tx]", "c += lt.count('lo')", "if 'hi' in lt:\n    c += 1", "lt = lt[:4]",
    "for g in lt[:4]:\n    c += g == tx", "for g, w in zip(lt, x):\n    if g == 'lo':\n        s += w", "lt = ['mid'] * ({I} % 4)", "lt[-1:] = [tx]", "for g in ('lo', 'hi'):\n    dt[g] += 1",
    "dt[tx] = dt.get(tx, 0) + 1", "dt['hi'] += {I} % 4", "n = dt.get(tx, 4)", "if tx in dt:\n    c += dt[tx]", "for g, w in dt.items():\n    c += w if g != 'lo' else 1", "dt.pop(tx, None)", "s += {{'lo': 0.5, 'mid': 1.5}}.get(tx, 0.25)",
    "ut.add(tx)", "c += len(ut)", "if ty in ut:\n    ut.discard(ty)", "c += 'mid' in ut", "tp = (tx, {F} % 2.0)", "tx, v = tp", "if tp[0] == tx and tp[1] < {f}:\n    tp = ('hi', s % 2.0)", "tp = max(tp, ('mid', {f})) if {N} > 5 else tp",
    "le = Level.HIGH if {B} else Level.LOW", "if le is Level.LOW:\n    n += 1\n    le = Level.HIGH", "if le == Level.HIGH:\n    s += 0.25", "match tx:\n    case 'lo' | 'none':\n        c += 1\n    case 'hi':\n        tx = 'mid'\n    case _:\n        ty = tx",
    "while tx == 'lo' and n < 4:\n    n += 1\n    tx = 'hi' if {B} else tx", "fn = lambda g: 'hi' if g > {f} else 'lo'\nty = fn({F})", "tx = next((g for g in lt if g != 'lo'), 'none')", "for w in x:\n    if w > {f}:\n        tx = 'hi'\n        break\nelse:\n    tx = 'none'",
)  # fmt: skip
RESULTS = (
    "tx == 'lo'", "[tx == g for g in ('lo', 'mid', 'hi', 'none')]", "[g == 'hi' for g in lt]", "len(lt)", "dt.get('lo', -1)", "len(dt)", "[g == 'hi' for g in dt]", "tp[1]", "tp[0] == ty", "len(ut)", "le is Level.LOW",
    "(n, tx)", "{'tx': tx, 'c': c}", "lt", "dt", "tp", "str(tx) + 'x'", "tx",
)  # fmt: skip
