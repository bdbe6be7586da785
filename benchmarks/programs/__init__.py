"""Classic programs as people write them for NumPy; each file is one, and says its sizes.

A file holds the function, named as the file is, and ``make(size)``, which draws its arguments.
``SIZE`` is what is timed, ``TINY`` what is tested, ``TOLERANCE`` how exact results must be relative
to the largest element (1e-9 unless told). ``for_numba.py`` and ``for_jax.py`` hold what those
compilers need written otherwise.
"""
