"""Statements of random programs that are about one thing each: views of views, orders of elements
in memory, ``out=`` and ``where=``, scatters, empty and 0-d arrays, overflow, ways out of loops.

The places in a template are those of `functions`. Names that a statement has for itself are
``h i j n p q s v``.
"""

VIEWS = (
    "v = {x}[::-1][1:]\nv[...] = {o}\n{t} = v + 1",
    "v = {x}.reshape(-1)[::2]\nv += {n}\n{t} = v * 2",
    "v = {x}[1:]\np = v[::-1]\np[0] = {o}\n{t} = v.copy()",
    "v = {x}.T\nv[0] = {o}\nq = v[..., None]\n{t} = q + {x}.size",
    "v = {x}[..., ::2]\nv *= 2\n{x}[...] += 1\n{t} = v.sum(axis={a})",
    "v = {x}.swapaxes(0, {a})[::2]\nv[...] = v[::-1]",
    "p, q = {x}[:2], {x}[1:3]\np[...] = q",
    "p = {x}\np += 1\n{t} = {x} is p",
    "p = {x}.copy()\np[...] = {o}\n{t} = p + {x}",
    "v = np.atleast_2d({x})\nv[0] = {o}",
    "p, q = np.array_split({x}, 2)\np += {n}\n{t} = q * 2",
    "for p in {x}:\n    p[...] = p * 2",
    "for p, q in zip({x}, {x}[::-1]):\n    p += q",
    "v = np.expand_dims({x}, 0)\nv[..., -1] = {o}\n{t} = v.squeeze()",
    "np.einsum('ii->i', {x})[...] = {o}",
    "v = {x}[None, ..., None]\nv[0, 0] = {o}",
    "v = {x}[1:-1]\nv[...] = {x}[:-2] + {x}[2:]",
    "{x}[1:] -= {x}[:-1]", "{x}[::-1][:2] = {y}[:2]", "{x}[::2], {x}[1::2] = {o}, {n}",
    "{x}.flat[1] = {o}\n{x}.flat[::3] += 1", "{x}[...], {t} = {y}, {x} + 0",
    "v = {x}.real\nv[0] = {n}\n{t} = {x}.imag",
    "v = {x}.view()\nv[-1:] = {o}\n{t} = v",
    "v = np.moveaxis({x}, 0, -1)\nv[..., 0] = {n}",
    "v = {x}[{n}:]\nv.sort()", "v = {x}[::-2]\nv.fill({o})",
    "np.diff({x}, n=0)[0] = {o}",
)  # fmt: skip
ORDERS = (
    "{t} = {x}.ravel(order='F')", "{t} = {x}.ravel('A')", "{t} = {x}.reshape(-1, order='F')",
    "{x}.ravel(order='F')[0] = {o}", "{x}.reshape({x}.shape[::-1], order='A')[0] = {o}",
    "{t} = np.asfortranarray({x}) + {y}", "{t} = np.array({x}, order='F').ravel(order='A')",
    "{t} = {x}.copy(order='F')\n{t}.ravel()[0] = {o}", "{t} = {x}.flatten('F')",
    "{t} = np.copy({x})\n{t}.reshape(-1)[0] = {o}", "{t} = ({x} * 2)\n{t}.ravel()[1] = {o}",
    "{t} = {x}.T + {x}.T\n{t}.reshape(-1)[:1] = {o}", "{t} = {x}.astype(np.float64, order='C')",
    "{t} = {x}.astype({x}.dtype, copy=False)\n{t}[0] = {o}",
    "{t} = np.ascontiguousarray({x})\n{t}[0] = {o}", "{t} = np.asfortranarray({x})\n{t}[0] = {o}",
    "{t} = np.require({x})\n{t}[0] = {o}", "{t} = np.ravel({x}.T, order='F')\n{t}[0] = {o}",
    "if {x}.sum() > 0:\n    {t} = {x}.T + 1\nelse:\n    {t} = {x}.T * 1\n{t}.ravel()[0] = {n}",
    "{t} = {x}.T * 1\nfor i in range({n}):\n    {t} = {t} + i\n{t}.reshape(-1)[0] = {n}",
    "np.nan_to_num({x}, copy=False)", "{t} = np.reshape({x}, -1, copy=True)\n{t}[0] = {o}",
)  # fmt: skip
INTO = (
    "np.add({x}, {y}, out={x}, where={x} > 0)", "np.sqrt(abs({x}), out={x}, where={x} > {n})",
    "{t} = np.divide({x}, {y}, out=np.zeros({x}.shape), where={y} != 0)",
    "{t} = np.zeros({x}.shape)\nnp.exp({x}, out={t})\n{t} *= 2",
    "{t} = np.empty({x}.shape[1:])\nnp.sum({x}, axis=0, out={t})",
    "{t} = np.empty_like({x})\nnp.multiply({x}, {o}, out={t}, casting='unsafe')",
    "np.maximum({x}, {o}, out={x}[...])", "np.multiply({x}[1:], {x}[:-1], out={x}[1:])",
    "np.multiply({x}[:-1], {n}, out={x}[1:])", "np.negative({x}, {x})",
    "{t} = np.multiply.reduce({x}, axis={a}, where={x} > {n}, initial=2)",
    "{t} = np.mean({x}, axis={a}, where={x} > {n})", "{t} = np.any({x}, axis={a}, where={y} > 0)",
    "{t} = np.min({x}, axis={a}, initial={n}, where=~np.isnan({x}))",
    "{t} = np.add({x}, {y}, where=True, dtype=np.float64)",
    "{t} = np.minimum.accumulate({x}, axis={a})", "{t} = np.subtract.outer({x}, {y})[..., 0]",
    "np.copyto({x}, {y}, where={x} > {n})",
    # NumPy itself does not return from mode="wrap" among no elements.
    "{t} = ({x} if {x}.size else np.ones((2, 2, 2))).take([0, 1, 1], axis={a}, mode='wrap')",
    "np.add.at({x}, [0, 1, 0], {o})", "np.maximum.at({x}, ([0, 1], [1, 0]), {n})",
    "np.add.at({x}, {x}[..., 0] > 0, 1)", "np.add.at({x}, (slice(None), 0), {n})",
    "{t} = np.bincount([0, 1, 1, 2], weights={x}.ravel()[:4])",
    "{t} = np.zeros(5)\nnp.add.at({t}, abs({x}.ravel()).astype(int) % 5, 1)",
    "np.multiply.at({x}, -1, 2)",
    "np.put_along_axis({x}, np.argsort({x}, axis={a}), {n}, axis={a})",
    "{x}[np.arange(len({x})), 0] = {o}", "{x}[[1, 0]] = {x}[[0, 1]]", "{x}[:, [0, -1]] *= {n}",
    "{x}[{x} > {n}] = {x}[{x} > {n}] * 2", "{x}[np.isnan({x})] = 0", "{x}[{y} > 0, 0] = {o}",
    "{x}[~({x} > 0) | ({x} > 3)] -= 1", "{x}[np.ix_([0, 1], [1, 0])] = {n}",
    "{x}[{x}.argmax(axis=0)] = {o}", "{x}[..., {x}.shape[-1] // 2:] = {x}[..., :1]",
)  # fmt: skip
SMALL = (
    "{t} = np.array({o})\n{t}[...] = {n}\n{t} += 1", "{t} = np.array({o}) * {x}",
    "{t} = np.array(2.5)\n{t}[()] = {x}.size\nq = {t} + 1", "{t} = {x}[:0].sum(axis=0) + {n}",
    "{t} = np.zeros((0, 3)) @ np.ones((3, 2)) + {o}", "{t} = {x}[:0].prod() + {y}",
    "{t} = np.concatenate([{x}[:0], {y}])", "{t} = np.where({x}[:0] > 0, 1, 2)",
    "{t} = {x}[..., :0].max(axis=-1, initial={n})", "{t} = np.cumsum({x}[:0])",
    "{t} = np.sort({x}[5:])[::-1]", "{t} = {x}[{n}:{n}].reshape(0, -1, 2)" , "{x}[:0] = {o}",
    "{t} = np.int64({n}) // np.array(2)", "{t} = {x}[0, ...]\n{t} += 1", "{t} = {x}[(0,)] * {o}",
    "{t} = np.array({x}.sum())\n{t} *= 2", "{t} = np.atleast_1d({x}.max())\n{t}[0] = {o}",
    "{t} = {x}.astype(np.int8) * np.int8(100)", "{t} = {x}.astype(np.uint8) - np.uint8(200)",
    "{t} = {x}.astype(np.int32) << 31", "{t} = ({x} > 0) + ({x} > 1)", "{t} = ({x} > 0) * 3 - True",
    "{t} = np.uint8(255) + {x}", "{t} = {x} * np.float16(1.5)", "{t} = {x}.astype(np.float16) * 3",
    "{t} = {x} + np.int64(2**40)", "{t} = {x} // np.int16(-3) % 4", "{t} = -{x} ** 2",
    "{t} = ({x} > 0).sum(axis={a}, dtype=np.int8)", "{t} = ({x} > 0).mean(axis={a})",
    "{t} = np.float16(1e4) * {x}.astype(np.float16)", "{t} = {x}.sum(dtype=np.float32) + {o}",
    "{t} = np.sum({x} > {n}) + {x}", "{t} = np.prod({x}.astype(np.int16), axis={a})",
    "{t} = divmod({x}, {n} + 1)[1]", "{t} = 2 ** ({x} > 0)", "{t} = {x} / np.uint8(3)",
    "{t} = np.float32(0.1) + {x} * 0.1", "{t} = (3 > {x}) ^ True", "{t} = {x}.dtype.type(3) * {y}",
    "{t} = np.can_cast({x}.dtype, np.float32) * {x}",
    "{t} = np.result_type({x}, 1.5).itemsize + {y}",
    "{t} = np.abs({x}.astype(np.int8).min() - {x})", "{t} = np.arange(3, dtype={x}.dtype) + {o}",
)  # fmt: skip
WAYS_OUT = (
    "{t} = -1\nfor i in range(len({x})):\n    if {x}[i].sum() > {n}:\n        {t} = i\n"
    "        break\n"
    "else:\n    {t} = -2",
    "{t} = 0\nfor i in range(len({x})):\n    if {x}[i].max() < 0:\n        continue\n"
    "    if {t} > 3:\n        break\n    {t} += 1",
    "{t}, n = {x} * 1.0, 0\nwhile True:\n    n += 1\n    {t} = {t} * 0.5\n"
    "    if n > 8 or abs({t}).max() < 1:\n        break",
    "{t} = 0\nfor i in range(3):\n    for j in range(4):\n        if i * j + {x}.sum() > {n}:\n"
    "            break\n        {t} = {t} + j\n    else:\n        {t} = {t} - 1",
    "def h(p):\n    for i in range(len(p)):\n        if p[i].sum() > {n}:\n"
    "            return p[i] * 2\n"
    "    return p[0] * 2\n{t} = h({x})",
    "def h(p, q):\n    if p.sum() > q:\n        return 1.5\n    if p.min() < 0:\n"
    "        return 2.5\n"
    "    return 3.5\n{t} = np.float64(h({x}, {n}))",
    "def h(p):\n    if p.ndim > 1:\n        return sum(h(q) for q in p)\n    return p.sum()\n"
    "{t} = h({x}) + {y}",
    "def h(p):\n    while p.max() > {n}:\n        p = p - 2\n        if p.min() < -5:\n"
    "            return p\n"
    "    return p\n{t} = h({x} % 7.0)",
    "def h(p, out):\n    out[0] += p.sum()\n    if out[0].sum() > {n}:\n        return\n"
    "    out[1:] = 0\n"
    "{t} = {x} * 1.0\nh({y}, {t})",
    "def h(p):\n    def q(v):\n        v[0] = {o}\n    q(p)\n    return p\n{t} = h({x}) + 1",
    "n = 10\nwhile n > {n} and {x}.sum() < n:\n    n -= 3\n{t} = {x} * n",
    "i, j = 0, len({x}) - 1\nwhile i < j:\n    {x}[i], {x}[j] = {x}[j] * 1, {x}[i] * 1\n"
    "    i += 1\n    j -= 1",
    "{t} = np.zeros(len({x}))\nfor i in range(1, len({x})):\n    j = i\n"
    "    while j > 0 and {x}[j].sum() < {n}:\n"
    "        j -= 2\n    {t}[i] = j",
    "{t} = {x}[0] * 1.0\nfor i in range(1, len({x})):\n"
    "    {t} = np.where({x}[i] > {t}, {x}[i], {t} * 0.5)",
    "s = 0\nfor i, p in enumerate({x}):\n    if i == {n}:\n        break\n"
    "    s = s + p.sum() * i\n{t} = s + {y}",
    "try:\n    {t} = {x}[{n}] + 1\nexcept IndexError:\n    {t} = {x} * 2",
    "p = [{x}, {y}]\np.reverse()\np[0] = p[0] + 1\n{t} = p[0] * 2",
    "p = {{}}\nfor i in range({n}):\n    p[i] = {x} * i\n{t} = sum(p.values(), {o})",
    "{t} = [q for q in (1, 2, 3) if q > {n}]\n{t} = np.array({t} + [0.5]) * {x}.sum()",
    "{t} = max({x}.max(), {n}) + min({x}.min(), 0)", "{t} = {x}.sum() > {n} or {x}.min() < 0",
    "{t} = not ({x}.max() > {n})", "{t} = {n} < {x}.max() <= 8",
    "{t} = {x}[0] * 2 if {x}.max() > {n} else {x}[-1] * 3",
    "assert {x}.sum() == {x}.sum() or True\n{t} = {x} + 1",
    "{t} = ({x}.sum() > 0) & ({x}.max() < {n})",
    "for i in range(20):\n    {x}[i % len({x})] += i\n{t} = {x}[::2]",
    "{t} = np.zeros((4, 5))\nfor i in range(4):\n    {t}[i, :i] = {o}\n    {t}[i, i:] = i",
    "n = 0\nfor i in range(30):\n    if (i * 7) % 5 == {n}:\n        continue\n    n = n + i\n"
    "{t} = {x} + n",
)  # fmt: skip
