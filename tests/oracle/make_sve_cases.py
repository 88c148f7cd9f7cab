#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Make the SVE cases of the instruction oracle: make_sve_cases.py AS OBJCOPY OUTPUT VL

As make_cases.py, for one vector length in bytes, with Z, P and FFR too.
"""
import sys

sys.dont_write_bytecode = True
import make_cases as m  # noqa: E402
from make_cases import MEMORY, SIZE, bracket, case, name, regs, rng  # noqa: E402

END = MEMORY + SIZE
BYTES = {"b": 1, "h": 2, "s": 4, "d": 8}
LETTER = {1: "b", 2: "h", 4: "s", 8: "d"}
VL = 0
areas = []


def put(z, reg, element, n, value):
    z[reg][n * element:(n + 1) * element] = (value % (1 << 8 * element)).to_bytes(element, "little")


def predicate(element):
    """Which elements are active: all, one, none, or any."""
    elements = VL // element
    kind = rng.randrange(6)
    if kind == 0:
        return [True] * elements
    if kind == 1:
        only = rng.randrange(elements + 1)
        return [n == only for n in range(elements)]
    return [rng.random() < 0.5 for n in range(elements)]


def finish(pg=0, element=1, active=None, fill=None):
    """Z, P and FFR for the case that was made last; `fill` changes Z."""
    z = [bytearray(rng.getrandbits(8) for _ in range(VL)) for _ in range(32)]
    p = [rng.getrandbits(VL) for _ in range(16)]
    ffr = rng.choice([(1 << VL) - 1, (1 << rng.randrange(VL + 1)) - 1])
    if active is not None:
        for n, bit in enumerate(active):
            p[pg] = p[pg] & ~(1 << n * element) | bit << n * element
    if fill:
        fill(z)
    areas.append((z, b"".join(v.to_bytes(VL // 8, "little") for v in p + [ffr])))


def vectors(rt, count, element):
    return "{" + ", ".join(f"z{(rt + r) % 32}.{LETTER[element]}" for r in range(count)) + "}"


def amount(shift):
    return f", lsl #{shift}" if shift else ""


def qemu_starts_right(active, element):
    """Let the first active element be one that QEMU 7.2 takes for it.

    Its LDFF1 and LDNF1 of consecutive elements read the predicate from the wrong
    byte (reg_off >> 3, where whole 64-bit words are meant), unless the first active
    element begins in the first 8 bytes of 64. tests/unit has the other cases.
    """
    if True in active:
        first = active.index(True) * element // 64 * 64 // element
        active[first + rng.randrange(max(1, 8 // element))] = True


def contiguous(op, element, size, count=1, faulting="", register=None, step=1, block=0):
    """`op` of `size` bytes for each element; register: X[m] is the offset, else an immediate."""
    elements = (block or VL) // element
    unit, zero = size * count, "/z" if op.startswith("ld") else ""
    rt, pg = rng.choice([31, 30, rng.randrange(32)]), rng.randrange(8)
    active = predicate(element)[:elements]
    if faulting:
        qemu_starts_right(active, element)
    first = active.index(True) if True in active else 0
    inside = elements
    if faulting or rng.random() < 0.3:
        # What lies behind the end of memory is not active, or may be left out.
        inside = rng.randrange(first + 1, elements + 1)
        if not faulting:
            active = [a and n < inside for n, a in enumerate(active)]
    if inside < elements:
        target = END - inside * unit
    elif faulting:
        target = MEMORY + 0x1000 * rng.randrange(2) + rng.randrange(0x1000 - elements * unit + 1)
    else:
        target = None
    rn, rm = regs(2)
    text = f"{op} {vectors(rt, count, element)}, p{pg}{zero}, [{bracket(rn)}"
    shift = size.bit_length() - 1
    if register:
        if rm == rn or (rm == 31 and faulting != "ff"):
            rm = (rn + 1) % 31
        case(f"{text}, {name('x', rm)}{amount(shift)}]", rn, elements * unit, 0,
             (rm, "lsl", shift), target=target)
    elif block:
        imm = rng.randrange(-8, 8) * block
        case(f"{text}, #{imm}]", rn, elements * unit, imm, target=target)
    else:
        imm = rng.choice([-8, 7, 0, rng.randrange(-8, 8)]) * count
        case(f"{text}, #{imm}, mul vl]", rn, elements * unit, imm * elements * size,
             target=target)
    finish(pg, element, active)


# Suffix, bytes of an element, bytes in memory
LOADS = [("b", e, 1) for e in (1, 2, 4, 8)] + [("sb", e, 1) for e in (2, 4, 8)] + \
        [("h", e, 2) for e in (2, 4, 8)] + [("sh", e, 2) for e in (4, 8)] + \
        [("w", 4, 4), ("w", 8, 4), ("sw", 8, 4), ("d", 8, 8)]
STORES = [load for load in LOADS if not load[0].startswith("s")]


def consecutive():
    for n in range(4):
        register = n % 2
        for suffix, element, size in LOADS:
            contiguous("ld1" + suffix, element, size, register=register)
            contiguous("ldff1" + suffix, element, size, faulting="ff", register=True)
            contiguous("ldnf1" + suffix, element, size, faulting="nf")
        for suffix, element, size in STORES:
            contiguous("st1" + suffix, element, size, register=register)
        for suffix, element in (("b", 1), ("h", 2), ("w", 4), ("d", 8)):
            contiguous("ldnt1" + suffix, element, element, register=register)
            contiguous("stnt1" + suffix, element, element, register=register)
            for count in (2, 3, 4):
                contiguous(f"ld{count}{suffix}", element, element, count, register=register)
                contiguous(f"st{count}{suffix}", element, element, count, register=register)
            contiguous("ld1rq" + suffix, element, element, register=register, block=16)
            if VL >= 32:
                contiguous("ld1ro" + suffix, element, element, register=register, block=32)


def fills():
    for suffix, element, size in LOADS:
        for n in range(3):
            rt, pg, rn = rng.randrange(32), rng.randrange(8), regs(1)[0]
            imm = rng.choice([0, 63, rng.randrange(64)]) * size
            case(f"ld1r{suffix} {{z{rt}.{LETTER[element]}}}, p{pg}/z, [{bracket(rn)}, #{imm}]",
                 rn, size, imm)
            finish(pg, element, predicate(element))


def whole():
    for op in ("ldr", "str"):
        for reg, size in (("z", VL), ("p", VL // 8)):
            for n in range(8):
                rt, rn = rng.randrange(32 if reg == "z" else 16), regs(1)[0]
                imm = rng.choice([-256, 255, 0, rng.randrange(-256, 256)])
                case(f"{op} {reg}{rt}, [{bracket(rn)}, #{imm}, mul vl]", rn, size, imm * size)
                finish()


def gather_target(size, faulting):
    """Anywhere; but no element that may be left out crosses a page, where a CPU has the choice."""
    if faulting and rng.random() < 0.2:
        return rng.choice([END, MEMORY - 16]) + rng.randrange(8)
    at = rng.randrange(SIZE - size + 1)
    return MEMORY + (at // size * size if faulting else at)


def elements_at(op, element, size):
    """Which elements are active, and where those shall be."""
    active = predicate(element)
    faulting = "ff" in op
    targets, seen = [], False
    for bit in active:
        targets.append(gather_target(size, faulting and seen) if bit else None)
        seen |= bit
    return active, targets


def gathers(op, suffix, element, size):
    letter, zero = LETTER[element], "/z" if op.startswith("ld") else ""
    op += suffix
    rt, pg = rng.randrange(32), rng.randrange(8)
    start = f"{op} {{z{rt}.{letter}}}, p{pg}{zero}, ["
    shift = size.bit_length() - 1
    for extend in ("uxtw", "sxtw") + (("lsl",) if element == 8 else ()):
        for scale in (0, shift) if shift else (0,):
            rn, rm = regs(1)[0], rng.randrange(32)
            active, targets = elements_at(op, element, size)
            base = MEMORY - rng.randrange(0x4000) if extend == "uxtw" else \
                MEMORY + rng.randrange(-0x4000, 0x4000)
            if scale:
                base &= ~(size - 1)
                targets = [t and t & ~(size - 1) for t in targets]
            if rn == 31:
                base &= ~15
            text = f"{start}{bracket(rn)}, z{rm}.{letter}"
            if extend != "lsl" or scale:
                text += f", {extend}" + (f" #{scale}" if scale else "")

            def fill(z):
                for n, target in enumerate(targets):
                    if target is not None:
                        offset = (target - base) >> scale
                        if element == 8 and extend != "lsl":
                            offset = offset % (1 << 32) | rng.getrandbits(32) << 32
                        put(z, rm, element, n, offset)

            case(text + "]", rn, 1, target=base)
            finish(pg, element, active, fill)
    rn, imm = rng.randrange(32), rng.choice([0, 31, rng.randrange(32)]) * size
    active, targets = elements_at(op, element, size)

    def fill_base(z):
        for n, target in enumerate(targets):
            if target is not None:
                put(z, rn, element, n, target - imm)

    case(f"{start}z{rn}.{letter}" + (f", #{imm}]" if imm else "]"), None, 1)
    finish(pg, element, active, fill_base)


def gathers_nt(op, suffix, element, size):
    letter, zero = LETTER[element], "/z" if op.startswith("ld") else ""
    rt, rn, pg, rm = rng.randrange(32), rng.randrange(32), rng.randrange(8), regs(1)[0]
    offset = 0 if rm == 31 else rng.choice([rng.getrandbits(27), -rng.getrandbits(27)])
    active, targets = elements_at(op, element, size)

    def fill(z):
        for n, target in enumerate(targets):
            if target is not None:
                put(z, rn, element, n, target - offset)

    case(f"{op}{suffix} {{z{rt}.{letter}}}, p{pg}{zero}, [z{rn}.{letter}, {name('x', rm)}]", None,
         1, set_x={} if rm == 31 else {rm: offset})
    finish(pg, element, active, fill)


def vector_addresses():
    for n in range(3):
        for suffix, element, size in LOADS:
            if element >= 4:
                gathers("ld1", suffix, element, size)
                gathers("ldff1", suffix, element, size)
                gathers_nt("ldnt1", suffix, element, size)
        for suffix, element, size in STORES:
            if element >= 4:
                gathers("st1", suffix, element, size)
                gathers_nt("stnt1", suffix, element, size)


def simd():
    """Loads of SIMD&FP registers, which clear the rest of the Z registers."""
    for reg, size in (("b", 1), ("h", 2), ("s", 4), ("d", 8), ("q", 16)):
        for op, count in (("ldr", 1), ("str", 1)) + ((("ldp", 2),) if size > 2 else ()):
            rn, rt = regs(1)[0], rng.randrange(31)
            names = ", ".join(f"{reg}{rt + r}" for r in range(count))
            case(f"{op} {names}, [{bracket(rn)}]", rn, size * count)
            finish()
    for text, size in (("ld1 {v31.16b, v0.16b}", 32), ("ld1 {v3.8b}", 8), ("ld3r {v4.2s-v6.2s}", 12),
                       ("ld4 {v7.8h-v10.8h}", 64), ("ld1r {v4.2d}", 8), ("st1 {v4.2d}", 16)):
        rn = rng.randrange(32)
        case(f"{text}, [{bracket(rn)}]", rn, size)
        finish()


def prefetches():
    for letter in "bhwd":
        hint = rng.randrange(16)
        for operand in ("[x1, #-4, mul vl]", "[z3.d, #0]", "[x2, z4.d]" if letter == "b" else
                        f"[x2, z4.s, sxtw #{'bhwd'.index(letter)}]"):
            case(f"prf{letter} #{hint}, p{rng.randrange(8)}, {operand}", None, 1)
            finish()


def main():
    global VL
    assembler, objcopy, output, vl = sys.argv[1:5]
    VL = int(vl)
    rng.seed(VL)
    for make in (consecutive, fills, whole, vector_addresses, simd, prefetches):
        make()
    m.write(assembler, objcopy, output, VL, areas)


if __name__ == "__main__":
    main()
