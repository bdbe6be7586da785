"""Native code through LLVM: what the processor can do, code generation, object files."""
