"""Inner loops and the width of their arithmetic, in PTX whose loops are known."""

import pytest

from benchmarks.kernel_arithmetic import Arithmetic, inner_arithmetic, inner_loops, parse

HEAD = """
.version 8.0
.target sm_80
.address_size 64
.visible .entry kernel(
    .param .u64 kernel_param_0
)
{
    .reg .pred %p<9>;
    .reg .b32 %r<20>;
    .reg .b64 %rd<20>;
"""

NESTED = (
    HEAD
    + """
    ld.param.u64 %rd1, [kernel_param_0];  // outside: not counted
    add.s64 %rd9, %rd1, 1;
$L_OUTER:
    add.s32 %r1, %r1, 1;                  // outer: not counted
    mov.u32 %r2, 0;
$L_INNER:
    add.s32 %r2, %r2, 1;                  // 32 bits
    mul.wide.s32 %rd2, %r2, 4;            // address
    add.s64 %rd3, %rd1, %rd2;             // address
    ld.global.u32 %r3, [%rd3+8];
    xor.b32 %r4, %r4, %r3;                // 32 bits
    add.s64 %rd4, %rd4, 1;                // 64 bits: a counter that is compared
    setp.lt.s64 %p1, %rd4, 100;           // 64 bits
    @%p1 bra $L_INNER;
    setp.lt.s32 %p2, %r1, 100;
    @%p2 bra $L_OUTER;
    ret;
}
"""
)


def test_only_the_innermost_loop_is_counted_and_addresses_apart() -> None:
    assert inner_arithmetic(NESTED) == Arithmetic(loops=1, narrow=2, wide=2, address=2)


def test_a_loop_of_several_blocks_with_a_way_out_in_the_middle() -> None:
    ptx = (
        HEAD
        + """
$L_TOP:
    add.u32 %r1, %r1, 1;
    setp.eq.s32 %p1, %r1, %r2;
    @%p1 bra $L_END;
    @!%p2 bra $L_ELSE;
    shl.b64 %rd1, %rd1, 1;
    bra.uni $L_TOP;
$L_ELSE:
    min.u32 %r3, %r3, %r1;
    bra.uni $L_TOP;
$L_END:
    sub.s64 %rd2, %rd2, 1;
    ret;
}
"""
    )
    (blocks,) = parse(ptx)
    (loop,) = inner_loops(blocks)
    assert {blocks[number].label for number in loop} >= {"$L_TOP", "$L_ELSE"}
    assert "$L_END" not in {blocks[number].label for number in loop}
    assert inner_arithmetic(ptx) == Arithmetic(loops=1, narrow=3, wide=1, address=0)


def test_two_loops_one_after_the_other_are_both_inner_ones() -> None:
    loop = "$L_{0}:\n    add.s32 %r{0}, %r{0}, 1;\n    setp.lt.u32 %p1, %r{0}, 9;\n    @%p1 bra $L_{0};\n"
    ptx = HEAD + loop.format(1) + loop.format(2) + "    ret;\n}\n"
    assert inner_arithmetic(ptx) == Arithmetic(loops=2, narrow=4, wide=0, address=0)


def test_a_jump_by_a_table_leads_to_all_its_targets() -> None:
    ptx = (
        HEAD
        + """
$L_TOP:
    setp.gt.u32 %p1, %r1, 2;
    @%p1 bra $L_END;
$L_TABLE: .branchtargets
    $L_A,
    $L_B;
    brx.idx %r1, $L_TABLE;
$L_A:
    add.s32 %r1, %r1, 1;
    bra.uni $L_TOP;
$L_B:
    add.s64 %rd1, %rd1, 2;
    bra.uni $L_TOP;
$L_END:
    ret;
}
"""
    )
    assert inner_arithmetic(ptx) == Arithmetic(loops=1, narrow=2, wide=1, address=0)


def test_without_a_loop_everything_is_counted() -> None:
    ptx = (
        HEAD
        + """
    mov.u32 %r1, %tid.x;
    mad.lo.s32 %r2, %r1, %r1, 7;
    cvt.u64.u32 %rd1, %r2;
    shl.b64 %rd2, %rd1, 2;
    add.s64 %rd3, %rd4, %rd2;
    st.global.u32 [%rd3], %r2;
    add.f32 %f1, %f2, %f3;
    ret;
}
"""
    )
    assert inner_arithmetic(ptx) == Arithmetic(loops=0, narrow=1, wide=0, address=2)


def test_what_is_stored_is_no_address() -> None:
    ptx = HEAD + "    add.s64 %rd1, %rd2, %rd3;\n    st.global.u64 [%rd1], %rd1;\n    ret;\n}\n"
    assert inner_arithmetic(ptx) == Arithmetic(loops=0, narrow=0, wide=1, address=0)


def test_the_registers_of_a_vector_are_seen() -> None:
    ptx = (
        HEAD
        + """
    add.s64 %rd1, %rd2, 8;
    ld.global.v2.u64 {%rd3, %rd4}, [%rd1];
    add.s64 %rd5, %rd3, %rd4;
    st.global.v2.u64 [%rd1+16], {%rd5, %rd4};
    ret;
}
"""
    )
    assert inner_arithmetic(ptx) == Arithmetic(loops=0, narrow=0, wide=1, address=1)


def test_what_is_no_instruction_is_refused() -> None:
    with pytest.raises(ValueError, match="no instruction"):
        parse(HEAD + "    ?!\n}\n")
