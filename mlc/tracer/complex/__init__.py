"""Complex arrays in traced functions: pairs of real ones, and what NumPy does with them.

No operator knows complex numbers. `value` is the pair, `calls` finds what stands for a function of
NumPy, and the other modules say in real arithmetic what each of these does.
"""
