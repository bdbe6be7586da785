"""One primitive function of a model is tuned, and the model uses what was found."""

import numpy as np

import mlc

rng = np.random.default_rng(0)
weights = [rng.uniform(-0.1, 0.1, shape).astype(np.float32) for shape in ((784, 128), (128, 10))]
biases = [np.zeros(128, np.float32), np.zeros(10, np.float32)]


def linear(x, w, b):
    return np.maximum(x @ w + b, 0)


@mlc.jit
def model(x, w0, b0, w1, b1):
    return linear(linear(x, w0, b0), w1, b1)


x = rng.uniform(0, 1, (64, 784)).astype(np.float32)
arguments = (x, weights[0], biases[0], weights[1], biases[1])
wanted = model(*arguments)

# The model is two kernels. The first is the same program as the function by itself.
for kernel in model.lower(*arguments).compiled.kernels:
    print(f"kernel {kernel.program.name}: {len(kernel.schedule.trace)} steps by default")

# Tune the primitive function alone: its kernel is what the search knows, not the function.
primitive = mlc.jit(linear)
result = mlc.tune(primitive, x, weights[0], biases[0], trials=8, seed=0, database=False)
print(result)

# The model is compiled anew, and finds the schedule of that kernel. With the user's database, which
# is the default, so do other programs tomorrow.
model.clear_cache()
assert np.allclose(model(*arguments), wanted, atol=1e-4)
for kernel in model.lower(*arguments).compiled.kernels:
    print(f"kernel {kernel.program.name}: {'as tuned' if kernel.is_tuned else 'by default'}")


# Or all at once: each kernel is tuned when the model is called for the first time.
@mlc.jit
@mlc.autotune(trials=4, database=False)
def autotuned(x, w0, b0, w1, b1):
    return linear(linear(x, w0, b0), w1, b1)


assert np.allclose(autotuned(*arguments), wanted, atol=1e-4)
print(autotuned.best_schedule)
