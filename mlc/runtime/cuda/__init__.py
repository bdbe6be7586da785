"""CUDA kernels at run time: compiled by NVRTC and launched, or emulated on the processor."""
