"""Every kernel compiles to PTX and to machine code for every supported architecture, without spills."""

import pytest
from gpucodec_kernels.target import Kernel, compile_ptx

from benchmarks.kernel_report import ARCHITECTURES, assemble, gpu_kernels

pytestmark = pytest.mark.compile


@pytest.mark.parametrize(("name", "kernel"), [pytest.param(name, kernel, id=name) for name, kernel in gpu_kernels()])
@pytest.mark.parametrize("capability", ARCHITECTURES, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")
def test_a_kernel_assembles_without_spilling(name: str, kernel: Kernel, capability: tuple[int, int]) -> None:
    ptx = compile_ptx(kernel, capability)
    assert f".target sm_{capability[0]}{capability[1]}" in ptx
    usage = assemble(ptx, capability)
    assert usage.registers > 0
    assert (usage.spill_stores, usage.spill_loads, usage.stack) == (0, 0, 0)


def test_a_kernel_that_spills_would_be_seen() -> None:
    ptx = """
.version 8.0
.target sm_80
.address_size 64
.visible .entry spilling(.param .u64 out) {
    .local .align 4 .b8 depot[64];
    .reg .b32 %r<4>;
    .reg .b64 %l<4>;
    ld.param.u64 %l1, [out];
    mov.u64 %l2, depot;
    cvta.local.u64 %l2, %l2;
    mov.u32 %r1, %tid.x;
    st.volatile.u32 [%l2], %r1;
    ld.volatile.u32 %r2, [%l2];
    st.global.u32 [%l1], %r2;
    ret;
}
"""
    assert assemble(ptx, (8, 0)).stack > 0
