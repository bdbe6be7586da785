"""The schedules that a compiled function shows, pasted into a file, give the programs it shows."""

import importlib.util
from itertools import count

import numpy as np
import pytest

import mlc
from mlc.ir.program import Program

NUMBERS = count()


def attention(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True) @ v


def several(x):
    return x.mean(0), x.std(0), np.argmax(x)


def carried(x):
    total = 0.0
    for i in range(x.shape[0]):
        total = total * 0.5 + x[i, 0]
    return total, np.cumsum(x)


def pasted(text, folder):
    path = folder / f"pasted{next(NUMBERS)}.py"
    head = "import numpy as np\n\nimport mlc\nfrom mlc import script as T\n\n"
    path.write_text(head + text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(vars(module).values())


@pytest.mark.parametrize("function", [attention, several, carried], ids=lambda f: f.__name__)
def test_shown_schedules_lead_to_shown_programs(function, tmp_path):
    x = np.random.default_rng(3).standard_normal((16, 16))
    lowered = mlc.jit(function).lower(*[x] * (3 if function is attention else 1))
    ends = []
    for kernel, text in zip(lowered.compiled.kernels, parts_of(lowered.schedule), strict=True):
        found = pasted(text, tmp_path)
        (schedule,) = [v for v in found if type(v).__name__ == type(mlc.schedule(len)).__name__]
        starts = [v for v in found if isinstance(v, Program)] or [kernel.program]
        ends.append(schedule(*starts).script())
    assert "\n\n".join(ends) == lowered.program


def parts_of(text):
    """The text of each kernel: it begins with its name and ends with its schedule."""
    parts = [[]]
    for line in text.splitlines():
        if line.startswith("# ") and not line.startswith("# the steps") and parts[-1]:
            parts.append([])
        parts[-1].append(line)
    return ["\n".join(part) + "\n" for part in parts]
