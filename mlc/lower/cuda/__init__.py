"""From scheduled programs to CUDA kernels: what each thread does, with barriers and memory."""
