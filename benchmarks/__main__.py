"""``python -m benchmarks``: measure, print a table, keep the results.

The results go to ``benchmarks/results/`` as JSON, under the name that ``--name`` gives.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import htj2k, jpeg2000, jpeg2000_decoding, jpegls, rle, wavelet
from gpucodec.comparison.environment import environment

_CODECS: dict[str, Callable[[tuple[int, ...], int], Iterator[dict[str, Any]]]] = {
    "rle": rle.rows,
    "jpegls": jpegls.rows,
    "jpeg2000": jpeg2000.rows,
    "jpeg2000-decoding": jpeg2000_decoding.rows,
    "htj2k": htj2k.rows,
    "wavelet": wavelet.rows,
}
_RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("codecs", nargs="*", default=list(_CODECS), help=f"of {', '.join(_CODECS)}; all without")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--name", default="latest", help="name of the JSON file in benchmarks/results")
    options = parser.parse_args()
    if unknown := set(options.codecs) - set(_CODECS):
        parser.error(f"unknown codecs {sorted(unknown)}, there are {', '.join(_CODECS)}")

    rows = []
    for codec in options.codecs:
        for row in _CODECS[codec](tuple(options.threads), options.rounds):
            rows.append(row)
            speeds = ", ".join(f"{name} {speed:.0f} MB/s" for name, speed in row["megabytes_per_second"].items())
            print(
                f"{row['codec']}, {row['workload']}, {row['direction']}, {row['threads']} threads: {speeds}", flush=True
            )
    _print(rows)
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"{options.name}.json"
    path.write_text(json.dumps({"environment": environment(), "rows": rows}, indent=1) + "\n")
    print(f"kept in {path}")
    return 0


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table("codec", "workload", "direction", "threads", "MB/s", "peer MB/s", "times the peer", "of", box=None)
    for row in rows:
        mine, peers = _speeds(row)
        for peer, speed in peers.items():
            cells = (row["codec"], row["workload"], row["direction"], str(row["threads"]))
            table.add_row(*cells, f"{mine:.0f}", f"{speed:.0f}", f"{mine / speed:.2f}", peer)
    Console(width=None if sys.stdout.isatty() else 130).print(table)


def _speeds(row: dict[str, Any]) -> tuple[float, dict[str, float]]:
    speeds = dict(row["megabytes_per_second"])
    return speeds.pop("gpucodec"), speeds


if __name__ == "__main__":
    sys.exit(main())
