"""Syntax only: headers and marker segments. Bytes, no pixels."""
