# SPDX-License-Identifier: BSD-2-Clause
"""How boots, memory and an idle guest's cost grow with vCPUs and devices, beside plain QEMU with the same guest."""

import os
import tempfile
import time

from bench_boot import CMDLINE, MARKER, boot_image
from bench_common import Process, say, shown, summary
from bench_rounds import rounds, taken

HERE = os.path.dirname(os.path.realpath(__file__))
TIMEOUT = 180
REST = 6  # seconds that the guest sleeps after its boot
SETTLED, WATCHED = 2, 3  # of these: until the guest is idle, and how long it is watched
CPUS, DISKS = (1, 2, 4, 8), (1, 8, 16, 32)
DISK_SIZE = 1 << 20

# Row, its title, digits.
FIGURES = (
    ("boot", "boot to userspace, s", 2),
    ("memory", "memory of all processes, MiB", 0),
    ("idle", "host CPU that the idle guest takes, %", 1),
)
WHO = ("QEMU", "ringvisor")


def descendants(root):
    """Process numbers of a process and all that come from it."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            pass  # it has ended
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def memory(pids):
    """MiB that the processes have; a page that several share counts once."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total / 1024


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
        total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


def boot(args, program, guest, cpus, disks):
    """{row: figure}"""
    argv = [program, "run", "-M", f"qemu,cpu={args.cpu.replace(',', ',,')}", "-m", args.memory, "-c", str(cpus),
            "-k", guest["kernel"], "-i", guest["initrd"], "-p", f"{CMDLINE} quiet rest={REST}"]
    for number in range(disks):
        argv += ["--disk", f"{guest['disks'][number]},format=raw"]
    with Process(argv) as process:
        seconds = process.read_until(MARKER, TIMEOUT)
        time.sleep(SETTLED)
        pids = descendants(process.process.pid)
        before, start = cpu_seconds(pids), time.monotonic()
        time.sleep(WATCHED)
        idle = (cpu_seconds(pids) - before) / (time.monotonic() - start)
        figures = {"boot": seconds, "memory": memory(pids), "idle": 100 * idle}
        process.end()
    return figures


def make_disks(folder):
    names = [os.path.join(folder, f"disk{number}") for number in range(max(DISKS))]
    for name in names:
        with open(name, "wb") as file:
            file.truncate(DISK_SIZE)
    return names


def measure_growth(args, files):
    programs = {"QEMU": os.path.join(HERE, "plain-qemu"), "ringvisor": files.vmm}
    sizes = [(cpus, 0) for cpus in CPUS] + [(1, disks) for disks in DISKS]

    def measure(number):
        result = {}
        for size in sizes:
            say(f"growth: {number + 1} of {args.pairs}, {size[0]} vCPUs, {size[1]} disks")
            result[size] = {who: boot(args, programs[who], guest, *size) for who in WHO[:: 1 if number % 2 == 0 else -1]}
        return result

    with tempfile.TemporaryDirectory(prefix="ringvisor-bench-") as folder:
        kernel, initrd = boot_image(folder)
        guest = {"kernel": kernel, "initrd": initrd, "disks": make_disks(folder)}
        done = rounds("growth", args.pairs, measure)
    return [{"cpus": size[0], "disks": size[1],
             "ratio": summary([one[size]["ringvisor"]["boot"] / one[size]["QEMU"]["boot"] for one in done]),
             **{row: {who: summary([one[size][who][row] for one in done]) for who in WHO} for row, _, _ in FIGURES}}
            for size in sizes]


def show_growth(args, result):
    for row, title, digits in FIGURES:
        print(f"\nGrowth: {title} ({taken(result[0]['ratio'], args.pairs, 'pairs')}, {args.cpu}, {args.memory})")
        print(f"{'vCPUs':>8}{'disks':>8}" + "".join(f"{who:>24}" for who in WHO) + (f"{'ringvisor / QEMU':>24}" if row == "boot" else ""))
        for size in result:
            print(f"{size['cpus']:>8}{size['disks']:>8}" + "".join(f"{shown(size[row][who], digits):>24}" for who in WHO)
                  + (f"{shown(size['ratio'], 2):>24}" if row == "boot" else ""))


PARTS = {"growth": (measure_growth, show_growth)}
