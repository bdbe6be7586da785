"""Operators of neural networks that NumPy has no name for; traced, or compiled and run at once."""

from __future__ import annotations

from .ops.convolve import avg_pool2d, conv2d, max_pool2d
from .ops.convolve_nd import (
    conv1d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from .ops.nn import (
    embedding,
    gelu,
    layer_norm,
    leaky_relu,
    log_softmax,
    logsumexp,
    one_hot,
    relu,
    rms_norm,
    scaled_dot_product_attention,
    sigmoid,
    silu,
    softmax,
    softplus,
)
from .ops.transcendental import erf, erfc

__all__ = [
    "avg_pool2d", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "embedding", "erf", "erfc", "gelu", "layer_norm", "leaky_relu",
    "log_softmax", "logsumexp", "max_pool2d", "one_hot", "relu", "rms_norm",
    "scaled_dot_product_attention", "sigmoid", "silu", "softmax", "softplus",
]  # fmt: skip
