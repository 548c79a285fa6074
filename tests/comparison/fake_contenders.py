"""Contenders that fail in every way that a peer can; they run in processes of their own, which import this file."""

import os
import signal
import time

import numpy as np

from gpucodec.codecs.base import DecodeRequest
from gpucodec.comparison.contenders import Contender
from gpucodec.dicom.coding import decode_batch, encode_batch
from gpucodec.frames import FrameBatch


class Honest(Contender):
    """Codes by the library backend; the others differ from it in what goes wrong."""

    name = "honest"

    def why_not(self, job, *, encoding):
        return ""

    def encode(self, frames, job):
        return encode_batch(FrameBatch(frames, job.spec), job.uid, job.encode_options, "library").codestreams

    def decode(self, prepared, job):
        return decode_batch(prepared, DecodeRequest(job.uid, job.spec, job.num_frames), "library").batch.frames


class Unable(Honest):
    name = "unable"

    def why_not(self, job, *, encoding):
        return "it was never written"


class Crashing(Honest):
    name = "crashing"

    def encode(self, frames, job):
        os.kill(os.getpid(), signal.SIGSEGV)

    def decode(self, prepared, job):
        os._exit(3)


class Failing(Honest):
    name = "failing"

    def encode(self, frames, job):
        raise ValueError("no such luck")

    def decode(self, prepared, job):
        return np.zeros((1, 2, 3))


class Hanging(Honest):
    name = "hanging"

    def encode(self, frames, job):
        time.sleep(600)


class Wrong(Honest):
    """Changes one sample of the last frame."""

    name = "wrong"

    def encode(self, frames, job):
        changed = frames.copy()
        changed.flat[-1] ^= 1
        return super().encode(changed, job)

    def decode(self, prepared, job):
        decoded = np.array(super().decode(prepared, job))
        decoded.flat[-1] ^= 1
        return decoded


class Short(Honest):
    """Loses a frame."""

    name = "short"

    def encode(self, frames, job):
        return super().encode(frames, job)[:-1]
