"""A reader of the Dockerfiles: their stages, instructions and files, as the tests beside it ask for them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


@dataclass
class Stage:
    """One ``FROM`` and what follows it: instructions as (name, rest of the line), in order."""

    base: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        return [rest for name, rest in self.instructions if name == instruction]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction's name and what follows it, its lines joined and comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        assert name.isupper(), line
        yield name, rest.strip()


def read(dockerfile: Path) -> tuple[dict[str, str], list[Stage]]:
    """Return the arguments before the first stage, with their defaults, and the stages."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for name, rest in instructions(dockerfile.read_text(encoding="utf-8")):
        if name == "FROM":
            base, _, stage = rest.partition(" AS ")
            stages.append(Stage(base, stage))
        elif stages:
            stages[-1].instructions.append((name, rest))
        else:
            assert name == "ARG", name
            key, _, default = rest.partition("=")
            arguments[key] = default
    return arguments, stages


def substituted(text: str, arguments: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], text)


def copied(stage: Stage) -> Iterator[tuple[list[str], str, str]]:
    """Yield for each COPY its sources, its destination, and the stage it copies from ("" for the build context)."""
    for rest in stage.of("COPY"):
        words = rest.split()
        origin = ""
        if words[0].startswith("--from="):
            origin = words.pop(0).removeprefix("--from=")
        assert not words[0].startswith("--"), rest
        yield words[:-1], words[-1], origin


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a file of the repository into the build: the last pattern that matches it decides."""
    sent = True
    parts = PurePosixPath(path).parts
    ancestors = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        allows = pattern.startswith("!")
        if any(_matches(ancestor, pattern.removeprefix("!")) for ancestor in ancestors):
            sent = allows
    return sent


def _matches(path: str, pattern: str) -> bool:
    """Match as Docker does: ``*`` stays in a folder, ``**/`` is any number of folders, none included."""
    if pattern.startswith("**/"):
        parts = PurePosixPath(path).parts
        return any(_matches("/".join(parts[start:]), pattern[3:]) for start in range(len(parts)))
    names, wanted = path.split("/"), pattern.split("/")
    return len(names) == len(wanted) and all(map(fnmatch, names, wanted))
