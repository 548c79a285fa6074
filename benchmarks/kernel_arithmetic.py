"""How wide the integer arithmetic of a kernel's inner loops is, from its PTX.

The control-flow graph of each function is cut into natural loops; counted are the instructions of those that contain
no other. Where there is no loop, all instructions are. A 64-bit instruction counts as address arithmetic where all that
becomes of its result is an address of device or shared memory; a loop's counter that is also compared is not, nor is a
length that bounds a slice. Conversions, moves, floating point and predicates are not counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Arithmetic", "Block", "inner_arithmetic", "inner_loops", "parse"]

_INSTRUCTION = re.compile(r"^(?:@(!?)(%\w+)\s+)?([a-z][\w.]*)\s*(.*?);?$")
_LABEL = re.compile(r"^(\$?[\w$]+):\s*(.*)$")
_REGISTER = re.compile(r"%[a-z]+\d+")
_ADDRESS = re.compile(r"\[[^\]]*\]")
_TYPE = re.compile(r"[subf](8|16|32|64)")
_ENDS = frozenset({"bra", "brx", "ret", "exit", "trap"})
_INTEGER = frozenset(
    {
        "add",
        "sub",
        "mul",
        "mad",
        "div",
        "rem",
        "abs",
        "neg",
        "min",
        "max",
        "sad",
        "mul24",
        "mad24",
        "setp",
        "set",
        "selp",
    }
    | {"slct", "and", "or", "xor", "not", "cnot", "lop3", "shl", "shr", "shf", "bfe", "bfi", "bfind", "popc", "clz"}
    | {"brev", "prmt", "dp4a"}
)
# What an address may pass through and be one still.
_CARRIES = frozenset(
    ("add", "sub", "mul", "mad", "neg", "min", "max", "selp", "and", "or", "xor", "shl", "shr", "cvta", "mov", "cvt")
)


@dataclass
class Instruction:
    """One instruction: its opcode's parts, the registers that it sets and reads, and those of addresses."""

    parts: list[str]
    sets: list[str]
    reads: list[str]
    addresses: list[str]

    @property
    def name(self) -> str:
        """Return the opcode without types and modes."""
        return self.parts[0]

    @property
    def width(self) -> int:
        """Return the bits of the integers that it makes or compares, 0 where it is of another kind."""
        types = [part for part in self.parts[1:] if _TYPE.fullmatch(part)]
        if self.name not in _INTEGER or not types or any(part[0] == "f" for part in types):
            return 0
        wide = 2 if "wide" in self.parts else 1
        return wide * max(int(part[1:]) for part in types)


@dataclass
class Block:
    """A basic block: its instructions, and the blocks that may follow."""

    label: str
    instructions: list[Instruction] = field(default_factory=list)
    next: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Arithmetic:
    """Integer instructions of inner loops: how many loops, and instructions by the width of what they make."""

    loops: int
    narrow: int
    wide: int
    address: int


def parse(ptx: str) -> list[list[Block]]:
    """Return the basic blocks of each function, the first one's first."""
    functions = []
    lines: list[str] | None = None
    depth = 0
    for line in ptx.splitlines():
        text = line.split("//")[0].strip()
        if not text:
            continue
        if text == "{":
            depth += 1
            lines = [] if depth == 1 else lines
        elif text == "}":
            depth -= 1
            if depth == 0 and lines is not None:
                functions.append(_blocks(lines))
                lines = None
        elif lines is not None:
            lines.append(text)
    return functions


def _blocks(lines: Sequence[str]) -> list[Block]:
    blocks = [Block("")]
    tables: dict[str, list[str]] = {}
    falls_through = True
    for statement in " ".join(lines).split(";"):
        text = statement.lstrip(" {}").rstrip()
        while found := _LABEL.match(text):
            label, text = found.groups()
            if text.startswith(".branchtargets"):
                tables[label] = re.findall(r"\$?\w+", text.removeprefix(".branchtargets"))
                text = ""
                break
            if falls_through:
                blocks[-1].next.append(label)
            blocks.append(Block(label))
            falls_through = True
        if not text or text.startswith((".", "{", "}")):
            continue
        guard, (name, operands) = _read(text)
        if not falls_through:  # what nothing leads to
            blocks.append(Block(f"after {len(blocks)}"))
            falls_through = True
        blocks[-1].instructions.append(_instruction(guard, name, operands))
        if name.split(".")[0] in _ENDS:
            targets = re.findall(r"\$\w+|\w+$", operands)
            if name.startswith(("bra", "brx")):
                blocks[-1].next += [each for target in targets[-1:] for each in tables.get(target, [target])]
            falls_through = False
            if guard:
                blocks[-1].next.append(f"after {len(blocks)}")
                blocks.append(Block(f"after {len(blocks)}"))
                falls_through = True
    return blocks


def _read(text: str) -> tuple[str, tuple[str, str]]:
    found = _INSTRUCTION.match(text)
    if not found:
        raise ValueError(f"This is no instruction: {text}")
    return found.group(2) or "", (found.group(3), found.group(4))


def _instruction(guard: str, name: str, operands: str) -> Instruction:
    parts = name.split(".")
    addresses = [register for part in _ADDRESS.findall(operands) for register in _REGISTER.findall(part)]
    rest = _ADDRESS.sub("", operands)
    first, _, others = rest.partition(",")
    sets = [] if parts[0] in (*_ENDS, "st", "red", "prefetch", "bar", "barrier") else _REGISTER.findall(first)
    reads = _REGISTER.findall(others if sets else rest)
    if rest.startswith("{"):  # a vector's registers
        inside, _, after = rest.partition("}")
        sets, reads = (_REGISTER.findall(inside), _REGISTER.findall(after)) if sets else ([], _REGISTER.findall(rest))
    return Instruction(parts, sets, [*reads, *([guard] if guard else [])], addresses)


def inner_loops(blocks: Sequence[Block]) -> list[set[int]]:
    """Return the natural loops that contain no other, as numbers of blocks."""
    number = {block.label: k for k, block in enumerate(blocks)}
    following = [[number[label] for label in block.next if label in number] for block in blocks]
    before: list[list[int]] = [[] for _ in blocks]
    for block, targets in enumerate(following):
        for target in targets:
            before[target].append(block)
    dominators = _dominators(before, following)
    loops: dict[int, set[int]] = {}
    for block, targets in enumerate(following):
        for header in targets:
            if dominators[block] >> header & 1:
                loops.setdefault(header, {header}).update(_reaching(block, header, before))
    return [loop for header, loop in loops.items() if not any(other != header and other in loop for other in loops)]


def _dominators(before: list[list[int]], following: list[list[int]]) -> list[int]:
    """Return for each block a mask of those that every way to it passes; 0 for those that no way leads to."""
    order, seen = [], set()
    waiting = [0]
    while waiting:
        block = waiting.pop()
        if block not in seen:
            seen.add(block)
            order.append(block)
            waiting += following[block]
    everything = (1 << len(before)) - 1
    found = [everything if block in seen else 0 for block in range(len(before))]
    found[0] = 1
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            mask = everything
            for other in before[block]:
                if other in seen:
                    mask &= found[other]
            mask |= 1 << block
            changed |= mask != found[block]
            found[block] = mask
    return found


def _reaching(block: int, header: int, before: list[list[int]]) -> set[int]:
    """Return the blocks from which `block` is reached without passing the header."""
    found = {header}
    waiting = [block]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += before[here]
    return found


def inner_arithmetic(ptx: str) -> Arithmetic:
    """Count the integer instructions of all inner loops of a kernel's PTX."""
    loops = narrow = wide = address = 0
    functions = [(blocks, inner_loops(blocks)) for blocks in parse(ptx)]
    any_loop = any(found for _, found in functions)
    for blocks, found in functions:
        for_addresses = _address_registers(blocks)
        loops += len(found)
        inside = set().union(*found) if any_loop else set(range(len(blocks)))
        for instruction in (each for block in sorted(inside) for each in blocks[block].instructions):
            narrow += 0 < instruction.width < 64
            if instruction.width == 64:
                is_address = all(each in for_addresses for each in instruction.sets)
                address += is_address
                wide += not is_address
    return Arithmetic(loops, narrow, wide, address)


def _address_registers(blocks: Sequence[Block]) -> set[str]:
    """Return the registers of which addresses are made, and nothing else."""
    direct: set[str] = set()
    uses: dict[str, list[Instruction]] = {}
    for instruction in _all(blocks):
        direct.update(instruction.addresses)
        for register in instruction.reads:
            uses.setdefault(register, []).append(instruction)
    # First those that may be: nothing else is made of them. Then those of them of which an address is made.
    possible = {register for register in direct.union(uses) if register.startswith("%rd")}
    while wrong := {
        register
        for register in possible
        if any(use.name not in _CARRIES or not possible.issuperset(use.sets or "-") for use in uses.get(register, ()))
    }:
        possible -= wrong
    found = direct & possible
    while more := {
        register for register in possible - found if any(found.intersection(use.sets) for use in uses.get(register, ()))
    }:
        found |= more
    return found


def _all(blocks: Sequence[Block]) -> Iterator[Instruction]:
    for block in blocks:
        yield from block.instructions
