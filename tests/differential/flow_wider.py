"""More of what random control flow is made of: classes with state and their heirs, dicts and lists
of arrays, arrays that become shorter, functions that call themselves, sorting by keys, filters,
errors that carry values, ``match`` and ``with``."""

from __future__ import annotations

# {variable: its first value}: arrays that loops shorten, a dict and a list of arrays, an object.
FIRST = {
    "f": "x[:4] * 1.0",
    "da": "{'one': x * 0.5, 'two': np.zeros(3)}",
    "la": "[x[:2] * 1.0, x[1:3] * 0.5]",
    "ta": "Tally(2)",
}
CLASSES = """class Stop(Exception):
    pass


class Tally:
    limit = 3

    def __init__(self, step):
        self.step = step
        self.seen = {0: 0.5}
        self.last = 0.0
        self.row = np.zeros(3)

    def __len__(self):
        return len(self.seen)

    @property
    def level(self):
        return self.last * 0.5 + self.step

    def see(self, key, v=0.5):
        if key in self.seen:
            self.seen[key] += v * 0.5
            self.last = self.seen[key]
        elif len(self.seen) < self.limit:
            self.seen[key] = v
        else:
            return -1.0
        return self.last

    def first(self, values, limit):
        for n, v in enumerate(values):
            for m in range(2):
                if v > limit + m:
                    self.row[n % 3] += v
                    return n + m
        return -1

    def strict(self, key):
        if key not in self.seen:
            raise KeyError(key)
        return self.seen[key]

    def reset(self):
        was, self.last = self.last, 0.0
        self.seen.clear()
        return was


class Deep(Tally):
    limit = 2

    def see(self, key, v=0.25):
        if key > 2:
            return 0.25
        return super().see(key, v) + self.step % 3

    def __call__(self, v):
        self.step += 1
        return self.level if v > self.last else v
"""
INTS = (
    "len(f)", "len(la)", "len(ta)", "ta.step", "ta.first(x, {f})", "ta.first(q, {f})", "int(f.sum())", "r[::-1].count({N})",
    "sum(1 for w, g in zip(x, k) if w > {f} and g % 2)", "max(range(len(x)), key=lambda g: x[g])", "len([w for w in x if w > {f}])",
    "min(r, key=lambda g: abs(g - 2), default=0)", "next((g for g in r if g > {N}), 4)", "next((g for g, w in enumerate(x) if w > {f}), 5)",
    "len({{g % 3 for g in r}})", "divmod({I}, 3)[1]", "(1 if {B} else 2 if {B} else 3)", "int(np.argmax(a[{at a}]))", "{I} ** 2 % 7",
    "sum(g * w for g, w in enumerate(k))", "-{I} // 2", "({I} & 3)", "({I} | 1)", "({I} ^ 2)", "len(str({N}))", "sorted(r)[-1] if r else 2",
)  # fmt: skip
FLOATS = (
    "ta.last", "ta.level", "da['one'][{N} % 3]", "da['two'].sum()", "la[0][0] if la else 0.5", "f.sum()", "f[0] if len(f) else 0.25",
    "sum(w * g for w, g in zip(q, r))", "max(x, key=lambda w: -w)", "min((w for w in x if w > {f}), default=0.5)", "ta.see({I} % 4)",
    "sum(w for row in a for w in row if w > {f})", "sum((w for w in q if w < {f}), 0.25)", "max(q[0], {f}) if q else {f}",
    "np.abs(f).max(initial=0.5)", "ta.row.sum()", "float(ta.seen.get({I} % 3, 1.0))", "[v, s, 0.5][{I} % 3]", "(v, s)[{B2}]",
    "sorted(x)[{N} % 3]", "sorted(x, reverse=True)[0]", "x[::-1][{N} % 3]", "sum(da['two'] * 0.5)", "{{0: s, 1: v}}.get({I} % 3, 0.5)",
)  # fmt: skip
TESTS = (
    "len(f) > {N}", "ta.last > {f}", "la", "{I} in ta.seen", "any(g > {N} and w > {f} for g, w in zip(k, x))", "f.size and f[-1] > {f}",
    "all(w < {f} for row in a for w in row)", "1 < {I} < 4", "{I} != {I} or {F} >= {f}", "isinstance(n, int)", "da['one'][0] < {f}",
    "not any(w == {f} for w in f)", "x[0] < x[1] < x[2]", "sorted(q) == q", "(n, s) > (m, v)", "'two' in da", "bool(ta.seen)",
)  # fmt: skip
STATEMENTS = (
    "f = f[f > {f}]", "f = f[1:]", "f = f[:-1]", "f = f[::2]", "f = f[f != f.max()] if len(f) else f", "if len(f) < 4:\n    f = np.append(f, {F} % 2.0)",
    "s += f.sum() % 2.0", "c += len(f)", "if len(f):\n    v = f[0]", "if len(f):\n    f[-1] = {F} % 2.0", "f = f * 0.5", "f = np.concatenate([f[1:], f[:1]])",
    "f = np.sort(f)", "f = x[:4][x[:4] > {f}]", "f[f > {f}] = {f}", "f = f[::-1]", "f = f[np.abs(f) <= {f}]",
    "da['one'][{N} % 3] += {F} % 2.0", "da['two'] = da['two'] * 0.5 + {f}", "for g in da:\n    s += da[g].sum() % 2.0", "da['two'][{I} % 3] = {F} % 3.0",
    "for w in da.values():\n    w *= 0.5", "da = {{g: w[::-1] * 1.0 for g, w in da.items()}}", "da['one'], da['two'] = da['two'], da['one']",
    "la.append(x[:2] * 0.5)", "if la:\n    z = la.pop()\n    s += z[0] % 2.0", "la = [w * 0.5 for w in la if w[0] > {f}]", "for z in la[:3]:\n    s += z.sum() % 2.0",
    "if la:\n    la[0][1] += {f}", "la = la[::-1][:3]", "la = [a[g, :2] * 0.5 for g in range(3) if a[g, 0] > {f}]", "for g, z in enumerate(la[:3]):\n    z += g",
    "s += ta.see({I} % 4, {F} % 2.0) % 2.0", "n = ta.first(x, {f}) % 5", "v = ta.reset()", "ta.step = {I} % 4", "ta.row[{I} % 3] += {F} % 2.0", "ta = Tally({I} % 3)",
    "ta = Deep({N})", "ta = Deep({I} % 3)\ns += ta(v) % 2.0", "ta.seen[{I} % 3] = {F} % 2.0", "c += len(ta)", "ta.last = ta.level % 2.0", "ta.row = ta.row[::-1] * 0.5",
    "q = [w * g % 2.0 for g, w in zip(r, x) if w > {f} and g % 2]", "r = [g for g, w in enumerate(x) if w > {f}]", "q = [w for row in a for w in row if w > {f}][:5]",
    "p = sorted(p, key=lambda g: g[1])", "r = sorted(r, key=lambda g: -g)[:5]", "q.sort(key=abs)", "q = sorted(q, key=lambda w: (w > 0, w), reverse={B2})[:5]",
    "z = list(reversed(r))\nc += z[0] if z else 1", "q = [w for w, g in sorted(zip(x, k), key=lambda g: g[1])][:4]", "u = {{g % 3 for g in r if g not in u}}",
    "d = dict(zip(k[:3], q))", "e = {{g: sum(1 for w in k if w == g) for g in range(3)}}", "d = {{g: w for g, w in enumerate(q) if w > {f}}}", "r = list(map(int, k[:3]))",
    "q = list(filter(lambda w: w > {f}, q))", "*r, m = [*r, {I} % 5]", "r[-2:] = [{N}]", "q = (q * 2)[:5]", "r = [0] * ({I} % 4)", "r = [*range({I} % 4), m % 3]",
    "z = [[] for _ in range(3)]\nfor g in k:\n    z[g % 3].append(g)\nc += len(z[0])", "z = [[g * w for w in range(3)] for g in range(2)]\nz[n % 2][{N} % 3] += m\nc += z[0][1] + z[1][2]",
    "for g in r:\n    if g > {N}:\n        c += 1\n        break\nelse:\n    c += 3", "d.update({{{I} % 4: {F} % 2.0}})", "for g, w in sorted(d.items(), key=lambda g: -g[1])[:3]:\n    c += g\n    s += w % 2.0",
    "r = [g for g in r for w in range(2) if g > w][:5]", "p = [(g, w) for g, w in zip(r, q) if g % 2 or w > {f}]", "r, q = [g for g, _ in p], [w for _, w in p]",
    "fn = lambda g: g * 0.5 + s\ns = fn({F} % 2.0)", "x[:2], x[2:4] = x[2:4].copy(), x[:2].copy()", "for g in range(len(x) - 1):\n    if x[g] > x[g + 1]:\n        x[g], x[g + 1] = x[g + 1], x[g]",
    "while len(f) > {N}:\n    f = f[1:]\n    c += 1", "while q and q[-1] > {f}:\n    s += q.pop() % 2.0", "while r and len(r) > {N}:\n    n = r.pop(0)", "while len(f) and f[0] > {f}:\n    f = f[1:]",
    "y = np.array([max(w, {f}) for w in x])", "y[:3] = [s, v, {f}]", "z = np.zeros(4)\nfor g in k:\n    z[g % 4] += 1\ns += z.max() * 0.5", "a[:] = a[np.argsort(a[:, 0])]", "y = y[::-1].copy()",
    "t0, (t1, t2) = s, (v, {f})\ns = t1 * 0.5 + t2", "c += sum(map(lambda g: g % 2, r))", "b, c = not b, c + b", "s = s if s < 4 else s - 4\nv -= v // 2", "n += (m := {I} % 4)",
)  # fmt: skip
HEADS = (
    "for {w} in f:", "for {w} in [w for w in x if w > {f}]:", "for {w} in sorted(x, key=abs)[:4]:", "for {w} in (w * 0.5 for w in x):", "for {w} in map(abs, x):",
    "for {w} in x[x > {f}]:", "for {w} in np.sort(y):", "for {w} in reversed(q[:4]):", "for {w} in da['two']:", "for {w} in [*q[:3], s]:", "for {w} in a.ravel():",
)  # fmt: skip
COUNTED = (
    "for {j} in range(len(q[:5])):", "for {j} in np.argsort(x):", "for {j} in np.arange({N}):", "for {j} in filter(lambda g: g > {N}, k):", "for {j} in {{0, 1, 2}}:",
    "for {j} in range(0, len(x), 2):", "for {j} in [g for g in k if g != {N}]:", "for {j} in sorted(set(r)):", "for {j} in (n, m):", "for {j} in range(len(f)):",
)  # fmt: skip
PAIRED = (
    "for {j}, {w} in sorted(p, key=lambda g: g[1])[:4]:", "for {j}, {w} in enumerate(reversed(x)):",
    "for {j}, {w} in zip(range(5, 0, -1), y):", "for {j}, {w} in [(g, w) for g, w in zip(k, x) if g > {N}]:", "for {j}, {w} in zip(k[::-1], a[0]):", "for {j}, {w} in enumerate(f):",
    "for ({j}, {w}), _ in zip(zip(k, x), y):", "for {j}, {w} in {{1: s, 2: v}}.items():",
)  # fmt: skip
FAILING = (
    "raise Stop(n, s)", "v = ta.strict(m)", "raise Stop({I})", "s += f[n]", "v = la[m][0]", "v = da['three'][0]", "assert len(f) > {N}, 'short'", "x[n + 8] = s",
    "v = max([w for w in x if w > {f}])", "del d[n]", "u.remove(m)", "n, m = r[:2]", "v = la.pop()[1]", "q.remove({f})", "if {B}:\n    raise Stop",
)  # fmt: skip
CAUGHT = ("except Stop:", "except (Stop, LookupError, ValueError):", "except (AssertionError, Stop, ValueError, LookupError):")  # fmt: skip
NAMED = (  # what a handler does with the error
    ("except Stop as err:", "c += len(err.args)"),
    ("except (KeyError, Stop) as err:", "c += isinstance(err, Stop)"),
    ("except Exception as err:", "c += 1 if isinstance(err, ValueError) else 2"),
    ("except Exception as err:", "c += 3\nif {B}:\n    raise"),
)
RECURSIVE = (  # bodies of `h(f0, i0)`
    "if i0 <= 0:\n    return f0\nreturn h(f0 * 0.5 + {f}, i0 - 1)",
    "if i0 <= 0 or f0 > 2:\n    return f0\nreturn h(f0 + 0.5, i0 - 1) + h(f0 - 0.5, i0 - 2)",
    "if i0 >= len(x):\n    return 0.0\nif x[i0] > f0:\n    return x[i0]\nreturn h(f0, i0 + 1)",
    "nonlocal c\nc += 1\nif c > 20 or f0 < 0:\n    return f0\nreturn h(f0 - 0.5, i0 + 1)",
    "if i0 > 3:\n    return 0.5\nbest = f0\nfor g in range(i0, 3):\n    best = max(best, h(f0 * 0.5, g + 2))\nreturn best + 0.25",
    "if i0 < 1:\n    q.append(f0)\n    return f0\ns0 = h(f0 * 0.5, i0 - 1)\nreturn s0 + len(q)",
)
RESULTS = (
    "f", "da['one']", "da", "len(la)", "la", "ta.last", "ta.seen", "ta.row", "len(ta)", "ta.level", "type(ta).__name__ == 'Deep'", "len(f)",
    "a", "x[::-1]", "[s, v, n]", "{'n': n, 's': s}",
)  # fmt: skip
