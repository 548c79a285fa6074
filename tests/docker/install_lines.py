"""The install lines of each image in fresh virtual environments, and the installed command from there.

It downloads packages, hundreds of megabytes of them for CUDA, so that it is no part of the other tests:
``make test-images`` runs it.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from gpucodec.backends import why_unavailable
from tests.docker.dockerfiles import ROOT, read
from tests.docker.stages import carry_out, environment, run

_IMAGES = [("cpu", {}), ("cuda", {"CUDA": "12"}), ("cuda", {"CUDA": "13"})]


@pytest.mark.parametrize(("name", "given"), _IMAGES, ids=["cpu", "cuda12", "cuda13"])
def test_an_image_installs_and_its_command_works(name: str, given: dict[str, str], tmp_path: Path) -> None:
    arguments, stages = read(ROOT / "docker" / f"{name}.Dockerfile")
    arguments |= given
    by_name = {stage.name: stage for stage in stages}
    for stage in ("wheel", "environment"):
        carry_out(by_name[stage], tmp_path, arguments)

    runtime = by_name["runtime"]
    env = environment(runtime, tmp_path)
    data = tmp_path / "data"
    (data / "study").mkdir(parents=True)
    Path(env["HOME"]).mkdir(parents=True)
    source = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(source, str)
    shutil.copyfile(source, data / "study" / "CT_small.dcm")

    (entry,) = json.loads(runtime.of("ENTRYPOINT")[0])
    command = str(tmp_path / "opt" / "gpucodec" / "bin" / entry)
    assert Path(run(["sh", "-c", f"command -v {entry}"], data, env).strip()) == Path(command)
    python = str(Path(command).with_name("python"))
    place = run([python, "-c", "import gpucodec_kernels; print(gpucodec_kernels.__file__)"], data, env)
    assert place.startswith(str(tmp_path))
    assert "transcode" in run([command, "--help"], data, env)
    assert "usable" in run([command, "doctor"], data, env)
    (check,) = runtime.of("HEALTHCHECK")
    healthy = name == "cpu" or not why_unavailable("cuda")
    run(json.loads(check[check.index("CMD ") + 4 :]), data, env, returncode=0 if healthy else 1)

    run([command, "transcode", "study", "compressed", "--to", "htj2k"], data, env)
    after = pydicom.dcmread(data / "compressed" / "CT_small.dcm")
    assert after.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.201"
    np.testing.assert_array_equal(after.pixel_array, pydicom.dcmread(source).pixel_array)
    assert list(Path(env["NUMBA_CACHE_DIR"]).rglob("*.nbi")), "compiled kernels are kept where the image says"
