"""What runs compiled kernels: images, the thread pool, the disk cache, the native call."""
