"""Files in, files out: plan, read, encode, write, verify."""
