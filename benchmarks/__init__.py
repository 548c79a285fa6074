"""Benchmarks: the same work on us and on every peer, in one run; and what the compilers make of the kernels."""
