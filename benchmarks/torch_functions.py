"""The functions of `functions.py` as PyTorch's users write them, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def translated(function: Callable[..., Any]) -> Callable[..., Any]:
    """What PyTorch's users would write for ``function``; NotImplementedError if they could not."""
    import torch

    functional = torch.nn.functional

    def chain(x: Any, y: Any) -> Any:
        z = x * y + x
        z = z * 0.5 - y
        z = torch.minimum(torch.clamp(z, min=0.0), x)
        return z * z + 1.0

    def dense_relu(x: Any, w: Any, b: Any) -> Any:
        return torch.relu(torch.addmm(b, x, w))

    def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
        return functional.layer_norm(x, x.shape[-1:], gain, bias, 1e-5)

    def rms_norm(x: Any, residual: Any, gain: Any) -> Any:
        return functional.rms_norm(x + residual, x.shape[-1:], gain, 1e-6)

    def mlp(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        hidden = torch.relu(torch.addmm(b1, x, w1))
        return torch.softmax(torch.addmm(b2, hidden, w2), -1)

    def stencil(x: Any) -> Any:
        return 0.2 * (x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:])

    def attention(q: Any, k: Any, v: Any) -> Any:
        return functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]

    def conv2d(x: Any, w: Any, *, stride: int = 1) -> Any:
        return functional.conv2d(x[None], w, stride=stride)[0]

    def chain_math(x: Any, y: Any) -> Any:
        return torch.exp(-x * x) * torch.tanh(y) + 0.5 * x - y

    named: dict[str, Callable[..., Any]] = {
        "add": torch.add,
        "chain": chain,
        "chain_math": chain_math,
        "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "softmax": lambda x: torch.softmax(x, -1),
        "layer_norm": layer_norm,
        "rms_norm": rms_norm,
        "attention": attention,
        "matmul": torch.matmul,
        "matmul_int8": torch._int_mm,
        "matmul_int8_nt": lambda a, b: torch._int_mm(a, b.T),
        "dense_relu": dense_relu,
        "mlp": mlp,
        "conv2d": conv2d,
        "conv2d_stride2": lambda x, w: conv2d(x, w, stride=2),
        "stencil": stencil,
        "transpose": lambda x: x.T.contiguous(),
        "argmax": lambda x: torch.argmax(x, 1),
        "max_pool": lambda x: functional.max_pool2d(x, 3, 2),
        "mean_pool": lambda x: functional.avg_pool2d(x, 3, 2),
        "depthwise": lambda x, w: functional.conv2d(x[None], w[:, None], groups=len(w))[0],
        "batch_norm": lambda x, gain, bias: functional.batch_norm(
            x, None, None, gain, bias, training=True
        ),
        "log_softmax": lambda x: torch.log_softmax(x, -1),
        "row_norms": lambda x: torch.linalg.norm(x, dim=1),
        "running_maximum": lambda x: torch.cummax(x, 0)[0],
        "pairs": lambda x, y: torch.stack([x, y], -1),
        "upper_triangle": torch.triu,
        "outer": torch.outer,
        "choose": lambda x, y: torch.where(x > 0, torch.clamp(x * y, -1, 1), 0.5 * y),
        "matmul_tn": lambda a, b: a.T @ b,
        "matmul_nt": lambda a, b: a @ b.T,
        "own_rows": lambda a: a @ a.T,
        "own_columns": lambda a: a.T @ a,
        "chain_of_four": lambda *arrays: torch.einsum("ij,jk,kl,lm->im", *arrays),
        "distances": lambda x, y: torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist"),
        "cumsum": lambda x: torch.cumsum(x, -1),
        "sort": lambda x: torch.sort(x, -1).values,
        "argsort": lambda x: torch.argsort(x, -1),
    }
    if function.__name__ in named:
        return named[function.__name__]
    kind, _, axis = function.__name__.partition(" axis=")
    reductions: dict[str, Callable[..., Any]] = {
        "sum": torch.sum,
        "mean": torch.mean,
        "max": torch.amax,
        "var": lambda x, dim=None: torch.var(x, dim, correction=0),
    }
    if kind not in reductions:
        raise NotImplementedError(f"nobody has written {function.__name__} for PyTorch")
    reduce = reductions[kind]
    return reduce if axis == "None" else lambda x: reduce(x, dim=int(axis))
