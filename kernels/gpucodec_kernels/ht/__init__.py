"""Block coding of high-throughput JPEG 2000, T.814."""
