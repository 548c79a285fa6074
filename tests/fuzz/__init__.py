"""Mutated files through the transcoder: none may crash it, hang it, or be called verified without being right."""
