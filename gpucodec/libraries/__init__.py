"""The contract of gpucodec.codecs.base kept by well-kept libraries, in worker processes."""
