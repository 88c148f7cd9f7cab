# SPDX-License-Identifier: BSD-2-Clause
"""A picture of a run: each row's time beside what it is compared with, as SVG."""

import math
from xml.sax.saxutils import escape

import bench_contention
import bench_guest
import bench_installed
import bench_io

LEFT, WIDTH, RIGHT, LINE, TOP = 400, 520, 90, 20, 56
LOW, HIGH = 0.25, 8.0  # of the axis, which is logarithmic
COLOURS = {"good": "#2a7f3f", "near": "#b58900", "far": "#b5382a"}


def numbers(summary, inverse):
    """(median, low, high) of a ratio of times."""
    values = summary["median"], summary["q1"], summary["q3"]
    return tuple(1 / v for v in values) if inverse else values


def guest_rows(result):
    for cpus, rows in (result.get("guest") or {}).items():
        for row in bench_guest.ROWS:
            yield f"{row.title}, {cpus} vCPU", numbers(rows[row.name]["speed"], True)


def io_rows(result):
    for part, rows in bench_io.ROWS.items():
        for row in rows:
            speed = ((result.get(part) or {}).get(row.name) or {}).get("speed")
            if speed:
                yield f"{part}: {row.title}", numbers(speed, True)


def groups(result, exit_titles):
    """(title, [(row, (median, low, high))])"""
    yield "Boot, time beside plain QEMU", [
        (f"{console} console", numbers(r["ratio"]["ringvisor"], False))
        for console, r in (result.get("boot") or {}).items()
    ] + [
        (f"installed Debian: {title}", numbers(result["installed"][row]["ratio"], False))
        for row, title in bench_installed.ROWS if result.get("installed")
    ]
    for title, rows in (result.get("contention") or {}).items():
        yield f"Beside {title}, time beside plain QEMU", [
            (row.title, numbers(rows[row.name]["speed"], True)) for row in bench_contention.ROWS]
    yield "Exit, time beside its limit", [
        (exit_titles[kind], numbers(ratio, False))
        for kind, ratio in ((result.get("exits") or {}).get("ratio") or {}).items()
    ]
    yield "Read of a register while another vCPU floods, time beside a quiet one", [
        (kind, numbers(ratio, False)) for kind, ratio in ((result.get("flood") or {}).get("ratio") or {}).items()
    ]
    yield "Boot with more vCPUs and disks, time beside plain QEMU", [
        (f"{size['cpus']} vCPUs, {size['disks']} disks", numbers(size["ratio"], False)) for size in result.get("growth") or []
    ]
    yield "Work in the guest, time beside plain QEMU", list(guest_rows(result))
    yield "I/O, time beside plain QEMU", list(io_rows(result))


def at(ratio):
    ratio = min(max(ratio, LOW), HIGH)
    return LEFT + WIDTH * math.log(ratio / LOW) / math.log(HIGH / LOW)


def text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def row_parts(y, title, ratio):
    middle, low, high = ratio
    colour = COLOURS["good" if middle <= 1.05 else "near" if middle <= 1.3 else "far"]
    low, high = min(low, high), max(low, high)
    return [
        text(LEFT - 10, y + 4, title, "end"),
        f'<line x1="{at(low):.1f}" x2="{at(high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
        f'<circle cx="{at(middle):.1f}" cy="{y}" r="5" fill="{colour}"/>',
        text(LEFT + WIDTH + 14, y + 4, f"{middle:.2f}"),
    ]


def draw(result, exit_titles):
    parts, y = [], TOP
    for title, rows in groups(result, exit_titles):
        if not rows:
            continue
        parts.append(text(10, y + 4, title, more=' font-weight="bold"'))
        y += LINE
        for name, ratio in rows:
            parts += row_parts(y, name, ratio)
            y += LINE
        y += LINE / 2
    axis = []
    for tick in (0.25, 0.5, 1, 2, 4, 8):
        stroke = "#444" if tick == 1 else "#ddd"
        axis.append(f'<line x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="{TOP - 18}" y2="{y:.0f}" stroke="{stroke}"/>')
        axis.append(text(at(tick), TOP - 24, f"{tick:g}", "middle"))
    host = result["host"]
    heading = f"ringvisor: time beside plain QEMU or a limit (lower is better). {host['cpu']}, {host['cpus']} CPUs, {host['qemu']}"
    width = LEFT + WIDTH + RIGHT
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 20:.0f}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{width}" height="{y + 20:.0f}" fill="white"/>',
        text(10, 16, heading),
        *axis, *parts, "</svg>", ""])


def write(path, result, exit_titles):
    with open(path, "w", encoding="utf-8") as file:
        file.write(draw(result, exit_titles))
