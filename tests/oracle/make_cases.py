#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Make the cases of the instruction oracle: make_cases.py AS OBJCOPY OUTPUT

Each case is one load or store, assembled by binutils, with all registers set so
that it accesses the memory of record.h. What an operand means is said here once
more, on purpose: nothing of vmm/insn/insn.c is used. Deterministic.
"""
import random
import struct
import subprocess
import sys
import tempfile

MEMORY, SIZE, PC = 0x10000000, 0x2000, 0x10004800
MASK = (1 << 64) - 1
rng = random.Random(20240229)
memory = bytes(rng.getrandbits(8) for _ in range(SIZE))
lines, states = [], []


def any64():
    return rng.choice([rng.getrandbits(64), rng.getrandbits(32), rng.getrandbits(16),
                       MASK - rng.getrandbits(16), 1 << 63, (1 << 63) - 1, 0, MASK])


def target_for(size, align):
    """An address; one in four crosses the page if alignment allows it."""
    if rng.random() < 0.25 and size > 1:
        at = 0x1000 - rng.randrange(1, size)
    else:
        at = rng.randrange(0, SIZE - size + 1)
    return MEMORY + at // align * align


def case(text, base, size, imm=0, index=None, align=1, set_x=None, target=None):
    """`text` accesses `size` bytes at base + imm + index; index: (register, extend, shift)."""
    x = [any64() for _ in range(31)] + [0]
    sp = rng.getrandbits(64) & ~15
    target = target or target_for(size, align)
    for reg, value in (set_x or {}).items():
        x[reg] = value & MASK
    if base is not None:
        offset = imm
        address = target
        if rng.random() < 0.15:
            address |= rng.getrandbits(8) << 56  # EL0 of Linux has TBI
        if index:
            reg, extend, shift = index
            if reg == base and reg != 31:
                factor = 1 + (1 << shift)
                x[reg] = target // factor
                assert MEMORY <= x[reg] * factor <= target
                address = None
            else:
                small = rng.choice([0, rng.getrandbits(8), rng.getrandbits(31)])
                if extend in ("sxtw", "sxtx", "lsl"):
                    small = rng.choice([small, -small])
                if extend in ("uxtw", "sxtw"):
                    x[reg] = rng.getrandbits(32) << 32 | (small & 0xffffffff)
                else:
                    x[reg] = small & MASK
                offset += (0 if reg == 31 else small) << shift
        if address is not None:
            if base == 31:
                sp = (address - offset) & MASK
            else:
                x[base] = (address - offset) & MASK
    lines.append(text)
    x[31] = sp
    v = [rng.getrandbits(64) for _ in range(64)]
    states.append(struct.pack("<32Q64QQQ", *x, *v, rng.getrandbits(4) << 28, 0))


def mem(at, size):
    return int.from_bytes(memory[at - MEMORY:at - MEMORY + size], "little")


def name(kind, n, sp=False):
    if n == 31 and kind in "wx":
        return "sp" if sp else kind + "zr"
    return f"{kind}{n}"


def bracket(n):
    return name("x", n, True)


def regs(count):
    """Register numbers, each often 31 or one that an earlier operand has."""
    out = []
    for _ in range(count):
        out.append(rng.choice([rng.randrange(31), rng.randrange(31), 31, out[-1] if out else 30]))
    return out


# mnemonic, register kind, bytes
GENERAL = [("ldr", "x", 8), ("ldr", "w", 4), ("str", "x", 8), ("str", "w", 4), ("ldrb", "w", 1),
           ("strb", "w", 1), ("ldrh", "w", 2), ("strh", "w", 2), ("ldrsb", "w", 1),
           ("ldrsb", "x", 1), ("ldrsh", "w", 2), ("ldrsh", "x", 2), ("ldrsw", "x", 4)]
FP = [(op, k, s) for op in ("ldr", "str") for k, s in
      (("b", 1), ("h", 2), ("s", 4), ("d", 8), ("q", 16))]
PAIRS = [("ldp", "x", 8), ("ldp", "w", 4), ("stp", "x", 8), ("stp", "w", 4), ("ldpsw", "x", 4)] + \
        [(op, k, s) for op in ("ldp", "stp") for k, s in (("s", 4), ("d", 8), ("q", 16))]


def unscaled(op):
    return op[:2] + "u" + op[2:]


def single_registers():
    for op, kind, size in GENERAL + FP:
        for n in range(6):
            rn, rt = regs(2)
            imm = rng.choice([0, 1, 4095, rng.randrange(4096)]) * size
            case(f"{op} {name(kind, rt)}, [{bracket(rn)}, #{imm}]", rn, size, imm)
            imm = rng.choice([-256, 255, rng.randrange(-256, 256)])
            case(f"{unscaled(op)} {name(kind, rt)}, [{bracket(rn)}, #{imm}]", rn, size, imm)
            rn, rt = regs(2)
            case(f"{op} {name(kind, rt)}, [{bracket(rn)}, #{imm}]!", rn, size, imm)
            case(f"{op} {name(kind, rt)}, [{bracket(rn)}], #{imm}", rn, size, 0)
        if kind in "wx":
            for n in range(4):
                rn, rt = regs(2)
                imm = rng.choice([-256, 255, rng.randrange(-256, 256)])
                unpriv = op[:2] + "t" + op[2:]
                case(f"{unpriv} {name(kind, rt)}, [{bracket(rn)}, #{imm}]", rn, size, imm)
        for extend in ("uxtw", "lsl", "sxtw", "sxtx"):
            for scaled in (False, True):
                for n in range(3):
                    rn, rt, rm = regs(3)
                    if n == 2:
                        rm = rn = min(rn, 30)
                    shift = size.bit_length() - 1 if scaled else 0
                    rmk = "x" if extend in ("lsl", "sxtx") else "w"
                    amount = f", {extend} #{shift}" if scaled else f", {extend}"
                    if extend == "lsl" and not scaled:
                        amount = ""
                    target = None
                    if n == 2:
                        # base and index are one register: a multiple, inside
                        factor = 1 + (1 << shift)
                        target = (MEMORY + rng.randrange(factor, SIZE - 32)) // factor * factor
                    case(f"{op} {name(kind, rt)}, [{bracket(rn)}, {name(rmk, rm)}{amount}]", rn,
                         size, 0, (rm, extend, shift), target=target)


def literals():
    for op, kind, size in [("ldr", "w", 4), ("ldr", "x", 8), ("ldrsw", "x", 4), ("ldr", "s", 4),
                           ("ldr", "d", 8), ("ldr", "q", 16)]:
        for n in range(8):
            rt = rng.choice([31, rng.randrange(31)])
            target = target_for(size, 4)
            case(f"{op} {name(kind, rt)}, . - {PC - target}", None, size)
    for n in range(4):
        case(f"prfm #{rng.randrange(32)}, . - {rng.randrange(1000) * 4}", None, 4)


def pairs():
    for op, kind, size in PAIRS:
        for n in range(8):
            rn, rt, rt2 = regs(3)
            if op.startswith("ld") and n < 6 and rt == rt2:
                rt2 = (rt + 1) % 31
            imm = rng.choice([-64, 63, 0, rng.randrange(-64, 64)]) * size
            ops = f"{name(kind, rt)}, {name(kind, rt2)}, [{bracket(rn)}"
            case(f"{op} {ops}, #{imm}]", rn, 2 * size, imm)
            case(f"{op} {ops}, #{imm}]!", rn, 2 * size, imm)
            case(f"{op} {ops}], #{imm}", rn, 2 * size, 0)
            if op != "ldpsw":
                case(f"{op[:2]}n{op[2:]} {ops}, #{imm}]", rn, 2 * size, imm)


def ordered():
    for suffix, kind, size in [("", "x", 8), ("", "w", 4), ("b", "w", 1), ("h", "w", 2)]:
        for op in ("ldar", "stlr", "ldlar", "stllr", "ldapr"):
            for n in range(5):
                rn, rt = regs(2)
                case(f"{op}{suffix} {name(kind, rt)}, [{bracket(rn)}]", rn, size, align=size)
        for op in ("stlur", "ldapur"):
            for n in range(5):
                rn, rt = regs(2)
                imm = rng.choice([-256, 255, rng.randrange(-256, 256)])
                case(f"{op}{suffix} {name(kind, rt)}, [{bracket(rn)}, #{imm}]", rn, size, imm,
                     align=size)
    for op, kind, size in [("ldapursb", "x", 1), ("ldapursb", "w", 1), ("ldapursh", "x", 2),
                           ("ldapursh", "w", 2), ("ldapursw", "x", 4)]:
        for n in range(5):
            rn, rt = regs(2)
            imm = rng.randrange(-256, 256)
            case(f"{op} {name(kind, rt)}, [{bracket(rn)}, #{imm}]", rn, size, imm, align=size)


def atomics():
    sizes = [("", "x", 8), ("", "w", 4), ("b", "w", 1), ("h", "w", 2)]
    for suffix, kind, size in sizes:
        for order in ("", "a", "l", "al"):
            for op in ("ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin",
                       "swp"):
                for n in range(3):
                    rn, rt, rs = regs(3)
                    case(f"{op}{order}{suffix} {name(kind, rs)}, {name(kind, rt)}, "
                         f"[{bracket(rn)}]", rn, size, align=size)
            for n in range(6):
                rn, rt, rs = regs(3)
                target = target_for(size, size)
                set_x = {}
                if n % 2 and rs not in (31, rn):
                    set_x = {rs: mem(target, size) | rng.getrandbits(64) << 8 * size}
                case(f"cas{order}{suffix} {name(kind, rs)}, {name(kind, rt)}, [{bracket(rn)}]", rn,
                     size, target=target, set_x=set_x)
    for kind, size in (("x", 8), ("w", 4)):
        for order in ("", "a", "l", "al"):
            for n in range(8):
                rs, rt = (rng.choice([rng.randrange(16) * 2, 30, 0]) for _ in range(2))
                rn = rng.choice([rng.randrange(31), 31, rt, rs])
                target = target_for(2 * size, 2 * size)
                set_x = {}
                if n % 2 and rn not in (rs, rs + 1) and rs < 30:
                    set_x = {rs: mem(target, size) | rng.getrandbits(64) << 8 * size,
                             rs + 1: mem(target + size, size) | rng.getrandbits(64) << 8 * size}
                case(f"casp{order} {name(kind, rs)}, {name(kind, rs + 1)}, {name(kind, rt)}, "
                     f"{name(kind, rt + 1)}, [{bracket(rn)}]", rn, 2 * size, target=target,
                     set_x=set_x)


def post(rn, size, n):
    """The three ways to end a structure load: base only, and two post-indexed ones."""
    others = [r for r in range(31) if r != rn]
    return ["", f", #{size}", f", x{rng.choice(others)}"][n]


def structures():
    for op in ("ld", "st"):
        for structure in (1, 2, 3, 4):
            for arrangement in ("8b", "16b", "4h", "8h", "2s", "4s", "1d", "2d"):
                vector = {"8b": 8, "4h": 8, "2s": 8, "1d": 8}.get(arrangement, 16)
                if structure > 1 and arrangement == "1d":
                    continue
                for count in ((1, 2, 3, 4) if structure == 1 else (structure,)):
                    for n in range(3):
                        rn = rng.choice([31, rng.randrange(31)])
                        rt = rng.choice([29, 30, 31, rng.randrange(32)])
                        names = ", ".join(f"v{(rt + r) % 32}.{arrangement}" for r in range(count))
                        text = post(rn, vector * count, n)
                        case(f"{op}{structure} {{{names}}}, [{bracket(rn)}]{text}", rn,
                             vector * count)
            for letter, size in (("b", 1), ("h", 2), ("s", 4), ("d", 8)):
                for n in range(6):
                    rn = rng.choice([31, rng.randrange(31)])
                    rt = rng.choice([29, 30, 31, rng.randrange(32)])
                    lane = rng.choice([0, 16 // size - 1, rng.randrange(16 // size)])
                    names = ", ".join(f"v{(rt + r) % 32}.{letter}" for r in range(structure))
                    text = post(rn, size * structure, n % 3)
                    case(f"{op}{structure} {{{names}}}[{lane}], [{bracket(rn)}]{text}", rn,
                         size * structure)
            if op == "st":
                continue
            for arrangement in ("8b", "16b", "4h", "8h", "2s", "4s", "1d", "2d"):
                size = {"b": 1, "h": 2, "s": 4, "d": 8}[arrangement[-1]]
                for n in range(3):
                    rn = rng.choice([31, rng.randrange(31)])
                    rt = rng.choice([29, 30, 31, rng.randrange(32)])
                    names = ", ".join(f"v{(rt + r) % 32}.{arrangement}" for r in range(structure))
                    text = post(rn, size * structure, n)
                    case(f"ld{structure}r {{{names}}}, [{bracket(rn)}]{text}", rn,
                         size * structure)


def others():
    for n in range(12):
        rn = rng.randrange(31)
        case(f"dc zva, x{rn}", rn, 1)
    for n in range(8):
        rn, rm = regs(2)
        hint = rng.randrange(32)
        case(f"prfm #{hint}, [{bracket(rn)}, #{rng.randrange(4096) * 8}]", rn, 8)
        case(f"prfum #{hint}, [{bracket(rn)}, #{rng.randrange(-256, 256)}]", rn, 8)
        case(f"prfm #{hint & 23}, [{bracket(rn)}, {name('x', rm)}]", rn, 8)


def write(assembler, objcopy, output, vl=0, areas=None):
    """The cases file. areas: of each case Z0-Z31, and P0-P15 and FFR; vl: bytes of a Z."""
    with tempfile.TemporaryDirectory() as tmp:
        with open(f"{tmp}/cases.s", "w") as f:
            f.write(".arch armv8.5-a+sve2+f64mm\n.text\n" + "\n".join(lines) + "\n")
        # -W: what is CONSTRAINED UNPREDICTABLE is warned of, and wanted.
        subprocess.run([assembler, "-W", "-o", f"{tmp}/cases.o", f"{tmp}/cases.s"], check=True)
        subprocess.run([objcopy, "-O", "binary", "-j", ".text", f"{tmp}/cases.o",
                        f"{tmp}/cases.bin"], check=True)
        with open(f"{tmp}/cases.bin", "rb") as f:
            code = f.read()
    words = struct.unpack(f"<{len(code) // 4}I", code)
    assert len(words) == len(states), "an assembler line is not one instruction"
    with open(output, "wb") as f:
        f.write(struct.pack("<QQQ", len(words), 0, vl) + memory)
        for n, (word, state) in enumerate(zip(words, states)):
            if not vl:
                f.write(state + struct.pack("<Q", word))
                continue
            z, predicates = areas[n]
            # V is the low part of Z.
            v = b"".join(bytes(reg[:16]) for reg in z)
            f.write(state[:256] + v + state[768:] + struct.pack("<Q", word))
            f.write(b"".join(bytes(reg) for reg in z) + predicates)
    with open(output + ".s", "w") as f:
        f.writelines(f"{line}\n" for line in lines)


def main():
    assembler, objcopy, output = sys.argv[1:4]
    for make in (single_registers, literals, pairs, ordered, atomics, structures, others):
        make()
    write(assembler, objcopy, output)


if __name__ == "__main__":
    main()
