"""More statements of random programs, as in `patterns`: random numbers, Python's own modules and
builtins beside arrays, classes, views by strides, matrices in place, and texts of known values.

The modules are those of :data:`NAMES`.
"""

import bisect
import collections
import functools
import heapq
import itertools
import math
import operator

NAMES = {
    module.__name__: module
    for module in (bisect, collections, functools, heapq, itertools, math, operator)
}
DRAWN = (
    "p = np.random.default_rng({n})\n{t} = p.standard_normal(3) + {x}.size",
    "p = np.random.default_rng({n})\n{t} = p.random({x}.shape) * {x}",
    "p = np.random.default_rng({n})\n{t} = p.integers(0, 9, {x}.shape) + {x}",
    "p = np.random.default_rng({n})\n{t} = p.uniform(-1, {n} + 1, 4) * {o}",
    "p = np.random.default_rng({n})\n{t} = p.normal(2, 3, size=(2, 2))",
    "p = np.random.default_rng({n})\n{t} = p.permutation({x})",
    "p = np.random.default_rng({n})\n{t} = p.permutation(len({x})) + {n}",
    "p = np.random.default_rng({n})\np.shuffle({x})",
    "p = np.random.default_rng({n})\n{t} = p.permuted({x}, axis={a})",
    "p = np.random.default_rng({n})\n{t} = p.choice({x})",
    "p = np.random.default_rng({n})\n{t} = p.choice({x}, 3)",
    "p = np.random.default_rng({n})\n{t} = p.choice({x}.ravel(), 2, replace=False)",
    "p = np.random.default_rng({n})\n{t} = p.choice(5, 4, p=[0.1, 0.2, 0.3, 0.2, 0.2])",
    "p = np.random.default_rng({n})\n{t} = p.exponential(2.0, 3) + p.poisson(4, 3)",
    "p = np.random.default_rng({n})\n{t} = p.binomial(9, 0.4, 3) + p.geometric(0.3, 3)",
    "p = np.random.default_rng({n})\n{t} = p.gamma(2.0, size=3) + p.beta(1, 2)",
    "p = np.random.default_rng({n})\n{t} = p.standard_normal(4, dtype=np.float32)",
    "p = np.random.default_rng({n})\n{t} = p.random() + p.random()",
    "p = np.random.default_rng({n})\n{t} = {x} * 1.0\nfor i in range(4):\n"
    "    {t} = {t} + p.random()",
    "p = np.random.default_rng({n})\n{t} = 0\nfor i in range(20):\n"
    "    if p.random() < 0.5:\n        {t} += i\n{t} = {t} + {x}",
    "p = np.random.default_rng({n})\n{t} = np.zeros(5, int)\nfor i in range(30):\n"
    "    {t}[p.integers(5)] += 1",
    "p = np.random.default_rng({n})\n{t} = {x}.copy()\nfor i in range(len({t}) - 1, 0, -1):\n"
    "    j = p.integers(i + 1)\n    {t}[i], {t}[j] = {t}[j].copy(), {t}[i].copy()",
    "p = np.random.RandomState({n})\n{t} = p.rand(3) + p.randn(3) * {o}",
    "p = np.random.RandomState({n})\n{t} = p.randint(0, 7, 4) + p.permutation(4)",
    "np.random.seed({n})\n{t} = np.random.rand(2, 2) + np.random.normal(size=(2, 2))",
    "np.random.seed({n})\n{t} = np.random.randint(3, 9, 4) + np.random.choice(5, 4)",
)  # fmt: skip
MODULES = (
    "{t} = math.sqrt(abs({n})) * {x}", "{t} = math.floor({x}.sum()) + {y}",
    "{t} = math.ceil({n} / 3) + math.gcd({n}, 6) + {x}", "{t} = math.prod([1, {n}, 3]) * {x}",
    "{t} = np.array([math.exp(v) if v < 1 else math.log(v) for v in {x}.ravel()])",
    "{t} = math.hypot(3, {n}) + math.pi * {x}", "{t} = math.copysign(2.0, -{n}) * {x}",
    "{t} = np.array([math.sin(v) + math.tanh(v) for v in {x}.ravel()])",
    "{t} = math.isfinite({x}.sum()) + {y}", "{t} = math.fsum([1.0, {n}, 0.5]) * {x}",
    "{t} = math.comb({n} + 3, 2) + math.factorial({n}) + {x}", "{t} = math.isqrt({n} * 7) * {x}",
    "{t} = sum(p * q for p, q in itertools.product(range(3), {x}.ravel()[:3]))",
    "{t} = np.array([p + q for p, q in itertools.combinations({x}.ravel()[:4], 2)])",
    "{t} = np.array(list(itertools.accumulate({x}.ravel())))",
    "{t} = np.array([v for v in itertools.chain({x}.ravel(), [{n}])])",
    "{t} = np.array([p - q for p, q in itertools.pairwise({x}.ravel())])",
    "{t} = sum(v for v in itertools.islice({x}.ravel(), {n}))",
    "{t} = np.array(list(itertools.zip_longest({x}.ravel()[:2], [1, 2, 3], fillvalue=0)))",
    "{t} = np.array([len(list(q)) for p, q in itertools.groupby([1, 1, {n}, 3])]) + {x}.size",
    "{t} = functools.reduce(lambda p, q: p * 2 + q, {x})",
    "{t} = functools.reduce(np.maximum, [{x}, {x} * 2, {x} - 1])",
    "h = functools.partial(np.add, {o})\n{t} = h({x})",
    "h = functools.partial(lambda p, q, s: p * q - s, s={n})\n{t} = h({x}, 2)",
    "{t} = operator.mul({x}, {o}) + operator.sub({y}, 1)",
    "{t} = operator.itemgetter(0)({x}) + {n}", "{t} = operator.matmul({x}, {x}.T)",
    "p = collections.deque([1, {n}])\np.append({x}.sum())\np.popleft()\n{t} = p[0] + p[-1] + {y}",
    "p = collections.deque(maxlen=2)\nfor v in {x}.ravel():\n    p.append(v)\n{t} = sum(p) * 1",
    "p = collections.defaultdict(int)\nfor i in range({n} + 3):\n    p[i % 3] += i\n"
    "{t} = p[0] + {x}",
    "p = collections.Counter([1, {n}, 1])\n{t} = p[1] * {x}",
    "h = collections.namedtuple('h', 'p q')\ns = h({x}, {o})\n{t} = s.p * s.q + len(s)",
    "h = collections.namedtuple('h', 'p q')\ns = h(p={x}, q=1)._replace(q={n})\np, q = s\n"
    "{t} = p - q",
    "p = [3, {n}, 1]\nheapq.heapify(p)\nheapq.heappush(p, 2)\n{t} = heapq.heappop(p) + {x}",
    "p = []\nfor i, v in enumerate({x}.ravel()):\n    heapq.heappush(p, (v, i))\n"
    "{t} = heapq.heappop(p)[1] if p else 0\n{t} = {t} + {y}",
    "{t} = bisect.bisect_left([1, 2, 4], {n}) + {x}",
    "p = np.sort({x}.ravel())\n{t} = bisect.bisect(p, {n}) * {y}",
)  # fmt: skip
CLASSES = (
    "class h:\n    s = {n}\n    @staticmethod\n    def f(p):\n        return p * 2\n"
    "    @classmethod\n    def g(cls, p):\n        return p + cls.s\n{t} = h.f({x}) + h.g({x})",
    "class h:\n    def __init__(self, p):\n        self.p = p\n    @property\n    def q(self):\n"
    "        return self.p * 2\n    def __add__(self, other):\n"
    "        return h(self.p + other.p)\n    def __getitem__(self, i):\n        return self.p[i]\n"
    "    def __len__(self):\n        return len(self.p)\ns = h({x}) + h({x})\n"
    "{t} = s.q[0] + s[0] * len(s)",
    "class h:\n    def __call__(self, p, *, k={n}):\n        return p * k\nclass q(h):\n"
    "    def __call__(self, p):\n        return super().__call__(p) + 1\n{t} = q()({x})",
    "class h:\n    def __init__(self):\n        self.s = 0\n    def add(self, v):\n"
    "        self.s = self.s + v\n        return self\ns = h()\nfor v in {x}.ravel():\n"
    "    s.add(v)\n{t} = s.s + {y}",
    "class h:\n    def __enter__(self):\n        return 2\n    def __exit__(self, *p):\n"
    "        return False\nwith h() as s:\n    {t} = {x} * s",
    "class h:\n    pass\ns = h()\nsetattr(s, 'p', {x})\ns.p[0] = {o}\n"
    "{t} = getattr(s, 'p') + getattr(s, 'q', {n})",
    "class h:\n    def __iter__(self):\n        yield {x}\n        yield {x} * {n}\n"
    "{t} = sum(h())",
)  # fmt: skip
TEXTS = (
    "p = f'{{{x}.ndim}}-{{{x}.dtype}}'\n{t} = len(p) + {x}",
    "s = str({x}.shape)\n{t} = s.count(',') * {y}",
    "{t} = {{'int': 1, 'float': 2}}.get({x}.dtype.name.rstrip('0123456789'), 3) * {x}",
    "p = '->'.join(['ij', 'ji'])\n{t} = np.einsum(p, {x})",
    "{t} = np.array([int(v) for v in '1 2 3'.split()]) * {n}",
    "{t} = {x} if {x}.dtype.kind in 'iu' else np.floor({x})",
    "assert {x}.ndim, f'no axes: {{{x}.shape}}'\n{t} = {x} * 1",
    "{t} = getattr(np, 'max' if {n} % 2 else 'min')({x}, axis={a})",
    "{t} = [np.add, np.multiply, np.subtract][{n} % 3]({x}, {o})",
    "{t} = sorted([({n}, 'a'), (2, 'b')])[0][0] * {x}",
    "{t} = dict(zip('ab', ({x}, {o})))['a'] * 1", "{t} = sorted([{n}, 2, 5], key=lambda v: "
    "-v)[1] * {x}",
    "p, *q = 1, 2, {n}\n{t} = p + sum(q) * {x}", "{t} = [*range({n}), 5][-1] + {x}",
    "{t} = {{**{{'p': 1}}, 'q': {x}}}['q'] * 2", "{t} = (lambda *p, **q: p[0] + q['s'])({x}, "
    "s={o})",
    "{t} = [[i * j for j in range(2)] for i in range(3)]\n{t} = np.array({t}) + {n}",
    "{t} = {{i: {x} * i for i in range({n} + 1)}}[{n}]", "{t} = len({{1, {n}, 2}}) * {x}",
    "n = {n}\nn += 1 if {x}.ndim > 1 else 2\n{t} = {x} + n", "{t} = ({x}, {y})[{x}.ndim > 1] * 1",
    "try:\n    {t} = {x}.reshape(2, -1) * 2\nexcept ValueError:\n    {t} = {x} * 2",
    "try:\n    {t} = {x}.no_such_thing\nexcept AttributeError:\n    {t} = {x} - 1",
    "try:\n    {t} = {x} @ {x}\nexcept (ValueError, TypeError) as p:\n"
    "    {t} = {x} + isinstance(p, Exception)",
    "s = 0\nwhile s < {n}:\n    s += 1\nelse:\n    s += 10\n{t} = {x} + s",
    "for i, (p, q) in enumerate([(1, 2), (3, {n})]):\n    {x}[0] = {x}[0] + p * q - i",
)  # fmt: skip
STRIDED = (
    "{t} = np.lib.stride_tricks.as_strided({x}, {x}.shape, {x}.strides) + 1",
    "v = np.ascontiguousarray({x}).ravel()\n"
    "{t} = np.lib.stride_tricks.as_strided(v, (max(v.size - 1, 0), 2), (v.itemsize, "
    "v.itemsize)) * 1",
    "{t} = sum(v * 2 for v in np.nditer({x}))", "{x} @= np.eye({x}.shape[-1], dtype={x}.dtype)",
    "np.matmul({x}, {x}.mT, out={x})", "np.dot({x}, np.eye({x}.shape[-1]), out={x})",
    "{t} = {x}[Ellipsis, np.newaxis] * 2", "{t} = {x}[..., None, :, None].squeeze() + {n}",
    "v = np.broadcast_to({x}, (2, *{x}.shape)).copy()\nv[1] *= 2\n{t} = v.sum(axis=0)",
    "v = np.array({x}, copy=None)\nv[0] = {o}\n{t} = v + 0",
    "v = np.asarray({x}, copy=True)\nv[0] = {o}\n{t} = v + 0",
    "{t} = np.zeros_like({x}, shape=(2, 2), order='F') + {n}",
    "{t} = np.empty({x}.shape, order='F')\n{t}[...] = {x}\n{t}.ravel(order='K')[:1] = {n}",
    "{t} = np.full_like({x}, {n}, subok=False) + {x}", "{t} = np.ones(3, like={x}) * {n}",
    "v = {x}.T.copy().T\nv[1:] = v[:-1]\nv[:, ::-1] += v\n{t} = v.ravel(order='F')",
    "v = {x}[::-1][1:][::2]\nv[::-1] -= 1\n{x}[1:][::-1][:1] = {n}\n{t} = v * 2",
    "v = {x}.reshape(-1)[1:].reshape(1, -1)\nv[0, ::2] = {o}\nv[:, 1:2] *= 3\n{t} = v.T",
    "v = {x}[{x} > {n}]\nv *= 2\n{x}[{x} > {n}] = v", "v = {x}[[1, 0]]\nv[0] = {o}\n{t} = {x} + 0",
    "v = {x}.view()\nv.shape = (-1,)\nv[0] = {n}\n{t} = v[::2]",
    "v = np.swapaxes({x}, 0, -1)[..., 0]\nv[...] = v[::-1]\n{t} = v + 1",
    "v = np.rot90({x})\nv[0] = {o}\n{t} = v[::-1] * 1", "v = np.flipud({x}).T\nv += 1\n{t} = v[0]",
    "v = np.expand_dims({x}, -1)[1:]\nv[..., 0] = {x}[:-1]", "{x}.T[0] = {x}.T[-1]",
    "{x}[0], {x}[1] = {x}[1], {x}[0]", "{x}[..., 0], v = {o}, {x}[..., 0] + 0\n{t} = v * 2",
    "{x}[1:][{x}[1:] > 0] = {x}[0].max()", "{x}[::2][{x}[::2] < {n}] += 1",
    "v = np.diag({x}).copy()\nnp.fill_diagonal({x}, v[::-1])", "{x}[np.tril_indices(2, -1)] *= 2",
    "{t} = np.c_[{x}.ravel(), {x}.ravel()][:, ::-1]\n{t}[0] = {n}",
    "{t} = np.stack([{x}, {x}])\n{t}[0, ..., 0] = {t}[1].max()\n{t}[::-1][0] -= 1",
    "{t} = np.concatenate([{x}, {x}])\n{t}[len({x}):] = {x}[::-1]\n{t}[{t} > {n}] = 0",
)  # fmt: skip
