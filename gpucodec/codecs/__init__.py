"""Codecs: one file per format, the contract they keep, and the choice between them."""
