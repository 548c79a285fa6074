"""A library that does what the first bytes of a frame tell it; stands in for a real one in worker processes."""

import os
import signal
import sys
import time

from gpucodec.errors import CodestreamError

PLAIN, CRASH, STOP, EXIT, WRONG, BUG, LARGE = range(7)


def encode_frame(frame, spec, options):
    order = frame[0]
    if order == CRASH:
        os.kill(os.getpid(), signal.SIGSEGV)
    if order == STOP:
        os.kill(os.getpid(), signal.SIGSTOP)
    if order == EXIT:
        os._exit(7)
    if order == WRONG:
        raise CodestreamError("the bytes are wrong", format="TEST", offset=3)
    if order == BUG:
        raise KeyError("a mistake")
    if order == LARGE:
        return frame * 1000
    return frame[::-1]


def slow_frame(frame, spec, options):
    while not os.path.exists(spec):  # noqa: PTH110 - waits for the file that the test makes
        time.sleep(0.001)
    return frame


def who_frame(frame, spec, options):
    return str(os.getpid()).encode()


def modules_frame(frame, spec, options):
    import gpucodec.libraries.openjpeg  # noqa: F401

    return " ".join([*sys.modules, *sys.path]).encode()
