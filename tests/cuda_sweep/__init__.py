"""All that the tests have, as CUDA kernels that the processor runs, compared with NumPy."""
