"""PTX to Python: each entry point becomes a generator that yields at every barrier. NVIDIA's PTX ISA 9.

Registers hold unsigned integers of their width, Python floats or truth values. Only what the compiler emits for
kernels here is known; anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.ptx import arithmetic

_MASK = {1: 1, 8: 0xFF, 16: 0xFFFF, 32: 0xFFFFFFFF, 64: 0xFFFFFFFFFFFFFFFF}
_WIDTHS = {"rs": 16, "r": 32, "rd": 64, "f": 32, "fd": 64, "temp": 32}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_LOW_COMPARE = {"lo": "<", "ls": "<=", "hi": ">", "hs": ">="}
_SPECIAL = {"%tid.x": "tid", "%ctaid.x": "ctaid", "%ntid.x": "ntid", "%nctaid.x": "nctaid"}
_SYMBOL = re.compile(
    r"\.(?:const|shared|global)\b.*?\.align\s+(\d+)\s+\.(?:b8|u64)\s+([\w$]+)(?:\[(\d+)\])?(?:\s*=\s*\{(.*?)\})?;"
)
_INSTRUCTION = re.compile(r"(?:@(!?)%(p\d+)\s+)?([a-z][\w.]*)\s*(.*)")


class UnknownPtxError(Exception):
    """The compiler emitted what is not executed here."""


@dataclass
class Program:
    """One kernel.

    Parameters
    ----------
    run : callable
        ``run(tid, ctaid, ntid, nctaid, parameters, symbols, load, store)``, a generator.
    parameters : list of str
        Names of the entry point's parameters, in order.
    constants : dict
        Symbol to its bytes.
    shared_symbol : str
        Name of the block's shared memory, if it has some, and
    shared_bytes : int
        its size.
    """

    run: Callable[..., Iterator[None]]
    parameters: list[str]
    constants: dict[str, bytes] = field(default_factory=dict)
    shared_symbol: str = ""
    shared_bytes: int = 0


def translate(ptx: str) -> Program:
    """Translate the only entry point of some PTX."""
    text = re.sub(r"//[^\n]*", "", ptx)
    header, _, rest = text.partition(".visible .entry")
    name_end = rest.index("(")
    parameters_end = rest.index(")")
    parameters = re.findall(r"\.param\s+\.\w+\s+([\w$]+)", rest[name_end:parameters_end])
    body = rest[rest.index("{", parameters_end) + 1 : rest.rindex("}")]
    program = Program(lambda: iter(()), parameters)
    for line in (header + body).split("\n"):
        if found := _SYMBOL.search(line):
            _declare(program, line, found)
    source = _Writer(parameters).write(list(_instructions(body)))
    space: dict[str, Any] = vars(arithmetic).copy()
    exec(compile(source, "<ptx>", "exec"), space)
    program.run = space["run"]
    return program


def _declare(program: Program, line: str, found: re.Match[str]) -> None:
    size = int(found[3] or 8)
    if ".shared" in line:
        if program.shared_symbol:
            raise UnknownPtxError("more than one shared array")
        program.shared_symbol, program.shared_bytes = found[2], size
    else:
        values = [int(value) & 0xFF for value in (found[4] or "").split(",") if value.strip()]
        program.constants[found[2]] = bytes(values) + bytes(size - len(values))


def _instructions(body: str) -> Iterator[str]:
    """Yield labels, as ``name:``, and instructions."""
    for piece in re.split(r"[;\n]|(?<=:)\s", re.sub(r"\{\s*\n", "\n", body)):
        text = piece.strip()
        if text == "}" or not text or text.startswith("."):
            continue
        yield text.lstrip("}").strip()


class _Writer:
    """Writes the Python of one entry point, basic block by basic block."""

    def __init__(self, parameters: list[str]) -> None:
        self.parameters = {name: k for k, name in enumerate(parameters)}
        self.names: dict[str, str] = {}

    def write(self, instructions: list[str]) -> str:
        blocks, labels = self._blocks(instructions)
        bodies = [self._block(block, number, labels) for number, block in enumerate(blocks)]
        lines = [
            "def run(tid, ctaid, ntid, nctaid, parameters, symbols, load, store):",
            *(f"    {name} = {poison}" for name, poison in sorted(self.names.items())),
            "    pc = 0",
            "    while True:",
            *self._choose(bodies, 0, len(bodies), 2),
            "    yield",
        ]
        return "\n".join(lines)

    def _blocks(self, instructions: list[str]) -> tuple[list[list[str]], dict[str, int]]:
        blocks: list[list[str]] = [[]]
        labels: dict[str, int] = {}
        for text in instructions:
            if text.endswith(":"):
                if blocks[-1]:
                    blocks.append([])
                labels[text[:-1]] = len(blocks) - 1
                continue
            blocks[-1].append(text)
            if re.search(r"\b(?:bra|ret)\b", text.split("\t")[0] + " " + text):
                blocks.append([])
        return blocks, labels

    def _choose(self, bodies: list[list[str]], first: int, last: int, depth: int) -> list[str]:
        indent = "    " * depth
        if last - first == 1:
            return [indent + line for line in bodies[first]]
        middle = (first + last) // 2
        return [
            f"{indent}if pc < {middle}:",
            *self._choose(bodies, first, middle, depth + 1),
            f"{indent}else:",
            *self._choose(bodies, middle, last, depth + 1),
        ]

    def _block(self, block: list[str], number: int, labels: dict[str, int]) -> list[str]:
        lines: list[str] = []
        for text in block:
            found = _INSTRUCTION.fullmatch(text)
            if not found:
                raise UnknownPtxError(text)
            negated, predicate, operation, rest = found.groups()
            operands = [part.strip() for part in re.split(r",(?![^{\[]*[}\]])", rest)] if rest.strip() else []
            condition = f"if {'not ' if negated else ''}{self._register(predicate)}: " if predicate else ""
            if operation.startswith("bra"):
                jump = f"pc = {labels[operands[0]]}; continue"
                lines.append(condition + jump)
            elif operation == "ret":
                lines.append(condition + "return")
            elif operation.startswith("bar"):
                lines.append(condition + "yield")
            else:
                lines.append(condition + self._statement(operation, operands))
        lines.append(f"pc = {number + 1}")
        return lines

    def _register(self, name: str) -> str:
        kind = name.rstrip("0123456789")
        poison = {"p": "False", "f": "nan", "fd": "nan"}.get(
            kind, str(0xDEADBEEFDEADBEEF & _MASK[_WIDTHS.get(kind, 64)])
        )
        self.names.setdefault(name, poison)
        return name

    def _value(self, text: str, width: int = 64) -> str:
        if text in _SPECIAL:
            return _SPECIAL[text]
        if text.startswith("%"):
            return self._register(text[1:])
        if text.startswith(("0f", "0d")) and len(text) in (10, 18):
            return f"from_bits({int(text[2:], 16)}, {32 if text[1] == 'f' else 64})"
        if re.fullmatch(r"-?\d+", text) or re.fullmatch(r"0x[0-9a-fA-F]+", text):
            return str(int(text, 0) & _MASK[width])
        return f"symbols[{text!r}]"

    def _address(self, text: str) -> str:
        base, _, offset = text.strip("[]").partition("+")
        sign = int(offset) if offset else 0
        value = self._value(base)
        return f"({value} + {sign}) & {_MASK[64]}" if sign else value

    def _statement(self, operation: str, operands: list[str]) -> str:
        parts = operation.split(".")
        writer = getattr(self, f"_do_{parts[0]}", None)
        if writer is None:
            raise UnknownPtxError(f"{operation} {', '.join(operands)}")
        return str(writer(parts, operands))

    # -- memory

    def _do_ld(self, parts: list[str], operands: list[str]) -> str:
        kind, register = parts[-1], operands[0][1:]
        target = self._register(register)
        width = int(kind[1:])
        if "param" in parts:
            value = f"parameters[{self.parameters[operands[1].strip('[]')]}]"
            if kind[0] == "s":
                value = f"signed({value}, {width}) & {_MASK[_width_of(register)]}"
            return f"{target} = {value}"
        loaded = f"load({self._address(operands[1])}, {width // 8})"
        if kind[0] == "f":
            return f"{target} = from_bits({loaded}, {width})"
        if kind[0] == "s":
            return f"{target} = signed({loaded}, {width}) & {_MASK[_width_of(register)]}"
        return f"{target} = {loaded}"

    def _do_st(self, parts: list[str], operands: list[str]) -> str:
        kind = parts[-1]
        width = int(kind[1:])
        value = self._value(operands[1], width)
        value = f"to_bits({value}, {width})" if kind[0] == "f" else f"{value} & {_MASK[width]}"
        return f"store({self._address(operands[0])}, {value}, {width // 8})"

    def _do_mov(self, parts: list[str], operands: list[str]) -> str:
        target, source = operands
        if target.startswith("{"):
            low, high = (part.strip() for part in target.strip("{}").split(","))
            value = self._value(source)
            if source.startswith("%fd"):
                value = f"to_bits({value}, 64)"
            made = [(low, f"{value} & {_MASK[32]}"), (high, f"{value} >> 32")]
            return "; ".join(f"{self._register(name[1:])} = {code}" for name, code in made if name != "_")
        if source.startswith("{"):
            low, high = (part.strip() for part in source.strip("{}").split(","))
            return f"{self._register(target[1:])} = {self._value(low)} | {self._value(high)} << 32"
        register, value = target[1:], self._value(source, _width(parts[-1]))
        made = self._register(register)
        if source.startswith("%") and source not in _SPECIAL:
            to_float, from_float = register[0] == "f", source[1] == "f"
            if to_float != from_float:
                return f"{made} = {'from_bits' if to_float else 'to_bits'}({value}, {_width_of(register)})"
        return f"{made} = {value}"

    def _do_cvta(self, parts: list[str], operands: list[str]) -> str:
        return f"{self._register(operands[0][1:])} = {self._value(operands[1])}"

    # -- integers and floats

    def _operate(self, parts: list[str], operands: list[str], integer: str, real: str = "") -> str:
        kind, width = parts[-1][0], _width(parts[-1])
        values = [self._value(text, width) for text in operands[1:]]
        target = self._register(operands[0][1:])
        if kind == "f":
            if not real or set(parts[1:-1]) - {"rn"}:
                raise UnknownPtxError(".".join(parts))
            return f"{target} = round_{width}({real.format(*values)})"
        if kind == "s":
            values = [f"signed({value}, {width})" for value in values]
        return f"{target} = ({integer.format(*values)}) & {_MASK[width]}"

    def _do_add(self, parts: list[str], operands: list[str]) -> str:
        return self._operate(_unsigned(parts), operands, "{} + {}", "{} + {}")

    def _do_sub(self, parts: list[str], operands: list[str]) -> str:
        return self._operate(_unsigned(parts), operands, "{} - {}", "{} - {}")

    def _do_mul(self, parts: list[str], operands: list[str]) -> str:
        if parts[1] == "wide":
            code = self._operate([parts[0], parts[2]], operands, "{} * {}")
            return f"{code.rpartition(' & ')[0]} & {_MASK[2 * _width(parts[2])]}"
        if parts[1] == "hi":
            return self._operate([parts[0], parts[2]], operands, f"{{}} * {{}} >> {_width(parts[2])}")
        return self._operate(_unsigned(parts), operands, "{} * {}", "{} * {}")

    def _do_mad(self, parts: list[str], operands: list[str]) -> str:
        if parts[1] != "lo":
            raise UnknownPtxError(".".join(parts))
        return self._operate(_unsigned(parts), operands, "{} * {} + {}")

    def _do_fma(self, parts: list[str], operands: list[str]) -> str:
        width = _width(parts[-1])
        values = ", ".join(self._value(text) for text in operands[1:])
        return f"{self._register(operands[0][1:])} = fused({values}, {width})"

    def _do_div(self, parts: list[str], operands: list[str]) -> str:
        return self._operate(parts, operands, "quotient({}, {})", "divide({}, {})")

    def _do_rem(self, parts: list[str], operands: list[str]) -> str:
        return self._operate(parts, operands, "remainder({}, {})")

    def _do_min(self, parts: list[str], operands: list[str]) -> str:
        return self._operate(parts, operands, "min({}, {})", "smaller({}, {})")

    def _do_max(self, parts: list[str], operands: list[str]) -> str:
        return self._operate(parts, operands, "max({}, {})", "larger({}, {})")

    def _do_abs(self, parts: list[str], operands: list[str]) -> str:
        return self._operate(parts, operands, "abs({})", "abs({})")

    def _do_neg(self, parts: list[str], operands: list[str]) -> str:
        return self._operate(parts, operands, "-{}", "-{}")

    def _do_sqrt(self, parts: list[str], operands: list[str]) -> str:
        return self._operate(parts, operands, "", "sqrt({})")

    # -- bits

    def _logical(self, parts: list[str], operands: list[str], sign: str) -> str:
        width = 64 if parts[-1] == "pred" else _width(parts[-1])
        one, other = (self._value(text, width) for text in operands[1:])
        return f"{self._register(operands[0][1:])} = {one} {sign} {other}"

    def _do_and(self, parts: list[str], operands: list[str]) -> str:
        return self._logical(parts, operands, "&")

    def _do_or(self, parts: list[str], operands: list[str]) -> str:
        return self._logical(parts, operands, "|")

    def _do_xor(self, parts: list[str], operands: list[str]) -> str:
        return self._logical(parts, operands, "^")

    def _do_not(self, parts: list[str], operands: list[str]) -> str:
        target, value = self._register(operands[0][1:]), self._value(operands[1])
        return f"{target} = not {value}" if parts[-1] == "pred" else f"{target} = {value} ^ {_MASK[_width(parts[-1])]}"

    def _do_shl(self, parts: list[str], operands: list[str]) -> str:
        width = _width(parts[-1])
        value, by = self._value(operands[1], width), self._value(operands[2], 32)
        return f"{self._register(operands[0][1:])} = ({value} << min({by}, {width})) & {_MASK[width]}"

    def _do_shr(self, parts: list[str], operands: list[str]) -> str:
        width = _width(parts[-1])
        value, by = self._value(operands[1], width), self._value(operands[2], 32)
        if parts[-1][0] == "s":
            value = f"signed({value}, {width})"
        return f"{self._register(operands[0][1:])} = ({value} >> min({by}, {width})) & {_MASK[width]}"

    def _do_bfi(self, parts: list[str], operands: list[str]) -> str:
        width = _width(parts[-1])
        values = ", ".join(self._value(text, width) for text in operands[1:])
        return f"{self._register(operands[0][1:])} = insert_bits({values}, {width})"

    def _do_bfe(self, parts: list[str], operands: list[str]) -> str:
        if parts[-1][0] != "u":
            raise UnknownPtxError(".".join(parts))
        value, at, length = (self._value(text, _width(parts[-1])) for text in operands[1:])
        return f"{self._register(operands[0][1:])} = ({value} >> min({at}, 64)) & ((1 << min({length}, 64)) - 1)"

    def _do_prmt(self, parts: list[str], operands: list[str]) -> str:
        values = ", ".join(self._value(text, 32) for text in operands[1:])
        return f"{self._register(operands[0][1:])} = permute({values})"

    def _do_clz(self, parts: list[str], operands: list[str]) -> str:
        return f"{self._register(operands[0][1:])} = {_width(parts[-1])} - ({self._value(operands[1])}).bit_length()"

    def _do_popc(self, parts: list[str], operands: list[str]) -> str:
        return f"{self._register(operands[0][1:])} = ({self._value(operands[1])}).bit_count()"

    def _do_bfind(self, parts: list[str], operands: list[str]) -> str:
        if parts[-1][0] != "u":
            raise UnknownPtxError(".".join(parts))
        values = f"{self._value(operands[1])}, {_width(parts[-1])}, {'shiftamt' in parts}"
        return f"{self._register(operands[0][1:])} = find_first({values})"

    def _do_brev(self, parts: list[str], operands: list[str]) -> str:
        return f"{self._register(operands[0][1:])} = reverse({self._value(operands[1])}, {_width(parts[-1])})"

    # -- choices and conversions

    def _do_setp(self, parts: list[str], operands: list[str]) -> str:
        if len(parts) != 3 or len(operands) != 3:
            raise UnknownPtxError(".".join(parts))
        compare, kind, width = parts[1], parts[2][0], _width(parts[2])
        values = [self._value(text, width) for text in operands[1:]]
        if kind == "s" and compare not in ("eq", "ne"):
            values = [f"({value} ^ {1 << width - 1})" for value in values]
        target = self._register(operands[0][1:])
        if kind == "f" and compare.endswith("u"):  # true for what cannot be compared, too
            return f"{target} = unordered({values[0]}, {values[1]}) or {values[0]} {_COMPARE[compare[:-1]]} {values[1]}"
        if kind == "f" and compare == "ne":
            return f"{target} = not unordered({values[0]}, {values[1]}) and {values[0]} != {values[1]}"
        return f"{target} = {values[0]} {(_COMPARE | _LOW_COMPARE)[compare]} {values[1]}"

    def _do_selp(self, parts: list[str], operands: list[str]) -> str:
        width = _width(parts[-1])
        target, one, other = self._register(operands[0][1:]), *(self._value(text, width) for text in operands[1:3])
        return f"{target} = {one} if {self._value(operands[3])} else {other}"

    def _do_cvt(self, parts: list[str], operands: list[str]) -> str:
        to, of = parts[-2], parts[-1]
        target, value = self._register(operands[0][1:]), self._value(operands[1])
        if of[0] == "f" and to[0] == "f":
            return f"{target} = round_{_width(to)}({value})"
        if of[0] == "f":
            return f"{target} = to_integer({value}, {parts[1]!r}, {to[0] == 's'}, {_width(to)})"
        number = f"{'signed' if of[0] == 's' else 'unsigned'}({value}, {_width(of)})"
        if to[0] == "f":
            return f"{target} = integer_to_{_width(to)}({number})"
        return f"{target} = {number} & {_MASK[_width(to) if to[0] == 'u' else _width_of(operands[0][1:])]}"


def _width(kind: str) -> int:
    return 1 if kind == "pred" else int(kind[1:])


def _width_of(register: str) -> int:
    return _WIDTHS[register.rstrip("0123456789")]


def _unsigned(parts: list[str]) -> list[str]:
    """Return an operation whose lower half does not depend on signs as one on unsigned numbers."""
    return [part for part in parts[:-1] if part != "lo"] + [parts[-1].replace("s", "u")]
