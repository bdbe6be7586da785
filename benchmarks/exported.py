"""Peers that take no Python function but a model: exported from the PyTorch form of a case."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .torch_functions import translated

Function = Callable[..., Any]
Prepared = tuple[Function, tuple[Any, ...]]


def _module(function: Function) -> Any:
    import torch

    made = translated(function)

    class Model(torch.nn.Module):
        def forward(self, *values: Any) -> Any:
            return made(*values)

    return Model()


def _onnx_model(function: Function, args: tuple[np.ndarray, ...]) -> bytes:
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        inputs = tuple(map(torch.from_numpy, args))
        program = torch.onnx.export(_module(function), inputs, dynamo=True, verbose=False)
    assert program is not None
    model: bytes = program.model_proto.SerializeToString()
    return model


def threads() -> int:
    """As many as the harness has told the libraries that read the environment."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))


def onnxruntime(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    """ONNX Runtime's CPU provider, its optimisations on."""
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    model = _onnx_model(function, args)
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return (lambda *values: session.run(None, dict(zip(names, values)))[0]), args


def openvino(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    """OpenVINO's CPU plugin for latency, in float32 as asked; inputs are shared, not copied."""
    import openvino

    core = openvino.Core()
    core.set_property(
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads(),
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        },
    )
    model = core.read_model(io.BytesIO(_onnx_model(function, args)))
    request = core.compile_model(model, "CPU").create_infer_request()

    def call(*values: Any) -> Any:
        return request.infer(list(values), share_inputs=True, share_outputs=True)[0]

    return call, args


def tvm(function: Function, args: tuple[np.ndarray, ...]) -> Prepared:
    """Apache TVM with the schedules it chooses by itself; nothing is tuned."""
    import torch
    import tvm
    from llvmlite import binding
    from tvm import relax
    from tvm.relax.frontend.torch import from_exported_program

    inputs = tuple(map(torch.from_numpy, args))
    module = from_exported_program(torch.export.export(_module(function), inputs))
    target = {"kind": "llvm", "mcpu": binding.get_host_cpu_name(), "num-cores": threads()}
    library = tvm.compile(module, target=tvm.target.Target(target))
    main = relax.VirtualMachine(library, tvm.cpu())["main"]

    def call(*values: Any) -> Any:
        out = main(*values)
        return (out if hasattr(out, "numpy") else out[0]).numpy()

    return call, tuple(map(tvm.runtime.tensor, args))
