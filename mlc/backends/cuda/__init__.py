"""CUDA: kernels as text, compiled by NVRTC for a card, or run on the processor by emulation."""
