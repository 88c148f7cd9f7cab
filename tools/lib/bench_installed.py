# SPDX-License-Identifier: BSD-2-Clause
"""An installed Debian from the start of the process to its login prompt, beside plain QEMU with the same
firmware, variables, disk and devices. Each boot has a fresh overlay of the disk and a copy of the variables."""

import os
import shutil
import subprocess
import tempfile

from bench_common import Failure, Process, say, shown, summary
from bench_rounds import rounds, taken

HERE = os.path.dirname(os.path.realpath(__file__))
TIMEOUT = 900
MEMORY = "1G"

# Row, its title, and what the console shows at its end.
STAGES = (
    ("firmware", "EDK2, until GRUB speaks", b"Welcome to GRUB"),
    ("loader", "GRUB, until it loads the initrd", b"Loading initial ramdisk"),
    ("system", "Linux, until it asks for a login", b" login:"),
)
ROWS = (*((name, title) for name, title, _ in STAGES), ("all", "all of it"))


def boot(args, program, installed):
    """Seconds of each row."""
    with tempfile.TemporaryDirectory(prefix="ringvisor-bench-") as folder:
        disk, variables = os.path.join(folder, "disk.qcow2"), os.path.join(folder, "vars")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2",
                        "-b", os.path.abspath(os.path.join(installed, "disk.qcow2")), disk], check=True)
        shutil.copyfile(os.path.join(installed, "vars"), variables)
        argv = [program, "run", "-M", f"qemu,cpu={args.cpu.replace(',', ',,')}", "--grace", "0", "-m", MEMORY, "--rng",
                "--firmware", "edk2", "--firmware-vars", variables, "--disk", f"{disk},format=qcow2,bus=pci",
                "--net", "user,bus=pci"]
        times, before = {}, 0
        with Process(argv) as process:
            for name, _, marker in STAGES:
                now = process.read_until(marker, TIMEOUT)
                times[name], before = now - before, now
        return {**times, "all": before}


def measure_installed(args, files):
    for name in ("disk.qcow2", "vars"):
        if not os.path.exists(os.path.join(args.installed, name)):
            raise Failure(f"installed: {args.installed} has no {name}: make it by tools/debian-disk {args.installed}")
    programs = {"QEMU": os.path.join(HERE, "plain-qemu"), "ringvisor": files.vmm}

    def measure(number):
        times = {}
        for who in list(programs)[:: 1 if number % 2 == 0 else -1]:
            say(f"installed: {number + 1} of {args.pairs}, {who}")
            times[who] = boot(args, programs[who], args.installed)
        return times

    pairs = rounds("installed", args.pairs, measure)
    return {row: {**{who: summary([pair[who][row] for pair in pairs]) for who in programs},
                  "ratio": summary([pair["ringvisor"][row] / pair["QEMU"][row] for pair in pairs])}
            for row, _ in ROWS}


def show_installed(args, result):
    print(f"\nAn installed Debian from its disk, seconds ({taken(result['all']['ratio'], args.pairs, 'pairs')}, {args.cpu}, {MEMORY})")
    print(f"{'':36}{'QEMU':>24}{'ringvisor':>24}{'ringvisor / QEMU':>24}")
    for row, title in ROWS:
        print(f"{title:36}" + "".join(f"{shown(result[row][who], 1):>24}" for who in ("QEMU", "ringvisor"))
              + f"{shown(result[row]['ratio'], 2):>24}")


PARTS = {"installed": (measure_installed, show_installed)}
