"""One harness: cases and peers are data, runs are interleaved, ratios stand side by side.

``python -m benchmarks --help`` says what can be asked; `cases` is the table of what is run.
"""
