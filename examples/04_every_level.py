"""Every level that a function passes through can be printed."""

import numpy as np

import mlc


@mlc.jit
def mm_relu(a, b):
    return np.maximum(a @ b, 0)


a, b = np.ones((32, 48), np.float32), np.ones((48, 64), np.float32)
lowered = mm_relu.lower(a, b)

for level in ("graph", "program", "llvm", "asm"):
    text = str(getattr(lowered, level))
    lines = text.splitlines()
    print(f"== {level}: {len(lines)} lines")
    print("\n".join(lines[:24]), end="\n\n")
    assert lines

print("== what was compiled, when and why")
mm_relu(a, b)
mm_relu(a.astype(np.float64), b.astype(np.float64))
print(mm_relu.cache_info())
