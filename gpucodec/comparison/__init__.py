"""Comparing codecs: how fast each is on the same pictures, and how far a picture may be compressed.

`pictures` finds what to work on, `contenders` knows who takes part, `arena` runs each in a process of its own and lets
them take turns, `reports` shows the results.
"""
