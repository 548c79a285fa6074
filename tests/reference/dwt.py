"""ITU-T T.800 Annexes E, F and G in plain NumPy, equation by equation, along the last axis."""

from collections.abc import Callable

import numpy as np

ALPHA, BETA, GAMMA, DELTA = -1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971  # Table F.4
K = 1.230174104914001

Analysis = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
Synthesis = Callable[..., np.ndarray]


def _extended(signal: np.ndarray, reach: int) -> np.ndarray:
    """Extend symmetrically about the first and the last sample (F.4.7); an even `reach` keeps odd places odd."""
    if signal.size == 0:
        return np.empty((*signal.shape[:-1], signal.shape[-1] + 2 * reach), signal.dtype)
    return np.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(reach, reach)], mode="reflect")


def analyse_53(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return low-pass and high-pass samples (F.4.8.1)."""
    length = signal.shape[-1]
    if length == 1:
        return signal, signal[..., :0]
    y = _extended(signal, 4).astype(np.int64)
    y[..., 1:-1:2] -= (y[..., 0:-2:2] + y[..., 2::2]) // 2
    y[..., 2:-2:2] += (y[..., 1:-3:2] + y[..., 3:-1:2] + 2) // 4
    y = y[..., 4 : 4 + length]
    return y[..., 0::2], y[..., 1::2]


def synthesise_53(low: np.ndarray, high: np.ndarray, first: int = 0) -> np.ndarray:
    """Return the samples from place `first` on that low-pass and high-pass ones stand for (F.3.6, F.3.8.1)."""
    length, parity = low.shape[-1] + high.shape[-1], first % 2
    if length == 1:
        return np.sign(high) * (abs(high) // 2) if parity else low  # where it is odd, as OpenJPEG rounds
    x = _extended(_interleaved(low, high, parity), 4 + parity).astype(np.int64)
    x[..., 2:-2:2] -= (x[..., 1:-3:2] + x[..., 3:-1:2] + 2) // 4
    x[..., 3:-3:2] += (x[..., 2:-4:2] + x[..., 4:-2:2]) // 2
    return x[..., 4 + parity : 4 + parity + length]


def analyse_97(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return low-pass and high-pass samples (F.4.8.2)."""
    length = signal.shape[-1]
    if length == 1:
        return signal, signal[..., :0]
    y = _lifted(_extended(signal, 6).astype(np.float64), [(1, ALPHA), (2, BETA), (3, GAMMA), (4, DELTA)])
    y = y[..., 6 : 6 + length]
    return y[..., 0::2] / K, y[..., 1::2] * K


def synthesise_97(low: np.ndarray, high: np.ndarray, first: int = 0) -> np.ndarray:
    """Return the samples from place `first` on that low-pass and high-pass ones stand for (F.3.6, F.3.8.2)."""
    length, parity = low.shape[-1] + high.shape[-1], first % 2
    if length == 1:
        return high / 2 if parity else low
    x = _extended(_interleaved(low * K, high / K, parity), 6 + parity).astype(np.float64)
    x = _lifted(x, [(2, -DELTA), (3, -GAMMA), (4, -BETA), (5, -ALPHA)])
    return x[..., 6 + parity : 6 + parity + length]


def _lifted(y: np.ndarray, steps: list[tuple[int, float]]) -> np.ndarray:
    """Take lifting steps, each from its first place on and as far from the end."""
    for first, factor in steps:
        end = y.shape[-1] - first
        y[..., first:end:2] += factor * (y[..., first - 1 : end - 1 : 2] + y[..., first + 1 : end + 1 : 2])
    return y


def _interleaved(low: np.ndarray, high: np.ndarray, parity: int) -> np.ndarray:
    both = np.empty((*low.shape[:-1], low.shape[-1] + high.shape[-1]), np.result_type(low, high))
    both[..., parity::2], both[..., 1 - parity :: 2] = low, high
    return both


def decompose(planes: np.ndarray, levels: int, analyse: Analysis) -> np.ndarray:
    """Return ``(..., rows, columns)`` planes as subbands in their places, vertical filtering first (F.4.2)."""
    result = planes.copy()
    rows, columns = planes.shape[-2:]
    for _ in range(levels):
        low, high = analyse(np.swapaxes(result[..., :rows, :columns], -1, -2))
        filtered = np.swapaxes(np.concatenate([low, high], axis=-1), -1, -2)
        result[..., :rows, :columns] = np.concatenate(analyse(filtered), axis=-1)
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return result


def reconstruct(subbands: np.ndarray, levels: int, synthesise: Synthesis) -> np.ndarray:
    """Return the planes that subbands in their places stand for, horizontal filtering first (F.3.2)."""
    result = subbands.copy()
    rows, columns = subbands.shape[-2:]
    sizes = [(-(-rows // 2**level), -(-columns // 2**level)) for level in range(levels)]
    for height, width in reversed(sizes):
        region = result[..., :height, :width]
        across = synthesise(region[..., : (width + 1) // 2], region[..., (width + 1) // 2 :])
        across = np.swapaxes(across, -1, -2)
        down = synthesise(across[..., : (height + 1) // 2], across[..., (height + 1) // 2 :])
        result[..., :height, :width] = np.swapaxes(down, -1, -2)
    return result


def synthesise_level(
    bands: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], top: int, left: int, synthesise: Synthesis
) -> np.ndarray:
    """Return the resolution whose first sample is at (top, left) and whose LL, HL, LH and HH are given (F.3.2)."""
    ll, hl, lh, hh = bands
    rows = synthesise(ll, hl, left), synthesise(lh, hh, left)
    return np.swapaxes(synthesise(*(np.swapaxes(half, -1, -2) for half in rows), top), -1, -2)


def undo_rct(planes: np.ndarray) -> np.ndarray:
    """Return ``(frames, components, ...)`` whose first three components are red, green and blue (G.2)."""
    luma, blue, red = planes[:, 0], planes[:, 1], planes[:, 2]
    green = luma - (blue + red) // 4
    return np.concatenate([np.stack([red + green, green, blue + green], axis=1), planes[:, 3:]], axis=1)


def undo_ict(planes: np.ndarray) -> np.ndarray:
    """Return ``(frames, components, ...)`` whose first three components are red, green and blue (G.3)."""
    matrix = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
    return np.concatenate([np.einsum("ij,fjrc->firc", matrix, planes[:, :3]), planes[:, 3:]], axis=1)


def shifted_planes(frames: np.ndarray, precision: int) -> np.ndarray:
    """Return ``(frames, components, rows, columns)`` int64 with the level shift of unsigned samples (G.1)."""
    pixels = frames if frames.ndim == 4 else frames[..., None]
    shift = 0 if frames.dtype.kind == "i" else 1 << (precision - 1)
    return np.moveaxis(pixels.astype(np.int64) - shift, -1, 1)


def rct(planes: np.ndarray) -> np.ndarray:
    """Return planes whose first three components are transformed reversibly (G.2)."""
    red, green, blue = planes[:, 0], planes[:, 1], planes[:, 2]
    first = [(red + 2 * green + blue) // 4, blue - green, red - green]
    return np.concatenate([np.stack(first, axis=1), planes[:, 3:]], axis=1)


def ict(planes: np.ndarray) -> np.ndarray:
    """Return planes whose first three components are transformed irreversibly (G.3)."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.16875, -0.33126, 0.5], [0.5, -0.41869, -0.08131]])
    first = np.einsum("ij,fjrc->firc", matrix, planes[:, :3].astype(np.float64))
    return np.concatenate([first, planes[:, 3:]], axis=1)


def steps_of_places(rows: int, columns: int, levels: int, steps: np.ndarray) -> np.ndarray:
    """Return the step of each place of a plane; `steps` in the order of QCD."""
    result = np.empty((rows, columns))
    for level in range(1, levels + 1):
        low_rows, low_columns = (rows + 1) // 2, (columns + 1) // 2
        hl, lh, hh = steps[3 * (levels - level) + 1 :][:3]
        result[:low_rows, low_columns:columns] = hl
        result[low_rows:rows, :low_columns] = lh
        result[low_rows:rows, low_columns:columns] = hh
        rows, columns = low_rows, low_columns
    result[:rows, :columns] = steps[0]
    return result
