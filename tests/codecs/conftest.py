"""Kernel tests of codecs run on the executor of tests/kernels."""

from tests.kernels.conftest import where

__all__ = ["where"]
