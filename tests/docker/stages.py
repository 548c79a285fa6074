"""Carries out the install lines of a Dockerfile's stages, with a folder of ours in place of the image's root."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docker.dockerfiles import ROOT, Stage, copied, is_sent, substituted

# What the stages make; every other path in an instruction would be the machine's own.
_MADE = re.compile(r"(?<![\w.}/])/(?=(?:wheels|source|build|opt/gpucodec|var/cache/gpucodec|data)\b)")


def inside(text: str, root: Path) -> str:
    return _MADE.sub(f"{root}/", text)


def carry_out(stage: Stage, root: Path, arguments: dict[str, str]) -> None:
    """Do what a stage's COPY and RUN say; those that call the distribution's package manager are left out."""
    (working_directory,) = stage.of("WORKDIR") or ["/source"]
    folder = Path(inside(working_directory, root))
    folder.mkdir(parents=True, exist_ok=True)
    for sources, destination, origin in copied(stage):
        if not origin:
            for source in sources:
                _copy(source, folder / destination)
    for command in stage.of("RUN"):
        if not command.startswith("apt-get"):
            run(["sh", "-ec", inside(substituted(command, arguments), root)], folder)


def _copy(source: str, destination: Path) -> None:
    path = ROOT / source
    if path.is_file():
        shutil.copyfile(path, destination / path.name)
        return

    def kept_out(folder: str, names: list[str]) -> list[str]:
        relative = Path(folder).relative_to(ROOT)
        return [name for name in names if not is_sent((relative / name).as_posix())]

    shutil.copytree(path, destination, ignore=kept_out)


def environment(stage: Stage, root: Path) -> dict[str, str]:
    """Return the environment that a stage's ENV makes of this process's, which must not know the source tree."""
    made = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for line in stage.of("ENV"):
        for entry in line.split():
            name, _, value = entry.partition("=")
            made[name] = inside(value.strip('"').replace("${PATH}", made["PATH"]), root)
    return made


def run(command: list[str], folder: Path, env: dict[str, str] | None = None, returncode: int = 0) -> str:
    """Run a command in a folder, see that it ends as expected, and return what it printed."""
    if env is None:  # `python3` is then the interpreter that runs the tests
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == returncode, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
