"""``python -m tests.fuzz``: transcode mutated files and say what must not be; ends with 1 if there is any."""

import argparse
import sys
import time
from pathlib import Path

from gpucodec.transcoder.targets import transfer_syntax_name
from tests.fuzz.campaign import SECONDS, Summary, run

_KEPT = Path("build/fuzz")


def main() -> int:
    """Run a campaign and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=1200, help="how many files (1200)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (1)")
    arguments = parser.parse_args()
    start, told = time.monotonic(), 0
    summary = Summary()
    for summary in run(arguments.files, arguments.seed, _KEPT):
        for line in summary.violations[told:]:
            print(line, flush=True)
        told = len(summary.violations)
        if summary.files % 100 == 0:
            print(f"{summary.files} files, {time.monotonic() - start:.0f} s, {told} violations", flush=True)
    show(summary, arguments.seed, time.monotonic() - start)
    return 1 if summary.violations or not summary.files else 0


def show(summary: Summary, seed: int, seconds: float) -> None:
    """Print what a campaign found."""
    print(f"\n{summary.files} mutated files, seed {seed}, {seconds:.0f} s, at most {SECONDS:g} s allowed for a file")
    named = {transfer_syntax_name(uid): count for uid, count in summary.syntaxes.items()}
    for title, counts in (("Sources", named), ("Outcomes", summary.outcomes), ("Reported verified", summary.compared)):
        print(title)
        for name, count in sorted(counts.items(), key=lambda entry: -entry[1]):
            print(f"  {count:6}  {name}")
    print(f"{len(summary.violations)} violations, at most {summary.peak_megabytes:.0f} MB of memory while transcoding")


if __name__ == "__main__":
    sys.exit(main())
