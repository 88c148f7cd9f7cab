# SPDX-License-Identifier: BSD-2-Clause
"""Boots of Debian's kernel to userspace, beside plain QEMU with the same kernel, initrd, memory and CPU."""

import os
import shutil
import subprocess
import tempfile

from bench_common import Failure, Process, say, shown, summary
from bench_rounds import each, rounds, taken

TOOLS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
TIMEOUT = 180
CONSOLES = {"quiet": "quiet", "full": ""}
CMDLINE = "console=ttyAMA0 panic=-1 nowatchdog"
MARKER = b"bench: userspace is reached"
# "rest=SECONDS" on the command line is a variable of its environment.
INIT = b"#!/bin/sh\necho '" + MARKER + b"'\n/bin/busybox sleep ${rest:-0}\nexec /bin/busybox poweroff -f\n"


def boot_image(folder):
    """(kernel, initrd): the demo's image, with an /init that only says that it is there."""
    done = subprocess.run([os.path.join(TOOLS, "guest-image")], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Failure("the guest's image could not be made")
    image = os.fsdecode(done.stdout).rstrip("\n")
    init, initrd = os.path.join(folder, "init"), os.path.join(folder, "initrd")
    with open(init, "wb") as file:
        file.write(INIT)
    os.chmod(init, 0o755)
    if shutil.which("cpio") is None:
        raise Failure("cpio is missing: run tools/install-deps demo")
    archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=folder,
                             input=b"init\n", stdout=subprocess.PIPE, check=True).stdout
    with open(os.path.join(image, "initrd"), "rb") as base, open(initrd, "wb") as out:
        shutil.copyfileobj(base, out)
        out.write(bytes(-out.tell() % 4) + archive) # a later archive's file replaces an earlier one's
    return os.path.join(image, "kernel"), initrd


def machine_option(args):
    return f"qemu,cpu={args.cpu.replace(',', ',,')}" + (f",{args.machine}" if args.machine else "")


def plain_qemu(args, memory, kernel, *more):
    return ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", args.cpu,
            "-accel", "tcg,thread=multi", "-smp", "1", "-m", memory, "-nic", "none", "-kernel", kernel, *more, "-nographic"]


def boot_qemu(args, _files, kernel, initrd, cmdline):
    return plain_qemu(args, args.memory, kernel, "-initrd", initrd, "-append", cmdline)


def boot_ringvisor(args, files, kernel, initrd, cmdline):
    return [files.vmm, "run", "-M", machine_option(args), "-m", args.memory,
            "-k", kernel, "-i", initrd, "-p", cmdline]


# Who boots. The first is what the others are compared with.
BOOTERS = {"QEMU": boot_qemu, "ringvisor": boot_ringvisor}


def boot_once(argv):
    with Process(argv) as process:
        seconds = process.read_until(MARKER, TIMEOUT)
        process.end()
    return seconds


def measure_boot(args, files):
    base, *others = BOOTERS

    def measure_console(console):
        cmdline = f"{CMDLINE} {CONSOLES[console]}".rstrip()

        def measure_pair(pair):
            say(f"boot, {console} console: {pair + 1} of {args.pairs}")
            # Who is first changes: the second of a pair finds a warmer host.
            return {name: boot_once(BOOTERS[name](args, files, kernel, initrd, cmdline))
                    for name in list(BOOTERS)[:: 1 if pair % 2 == 0 else -1]}

        pairs = rounds(f"boot, {console} console", args.pairs, measure_pair)
        return {
            "seconds": {name: summary([pair[name] for pair in pairs]) for name in BOOTERS},
            "ratio": {name: summary([pair[name] / pair[base] for pair in pairs]) for name in others},
        }

    with tempfile.TemporaryDirectory(prefix="ringvisor-bench-") as folder:
        kernel, initrd = boot_image(folder)
        return each(CONSOLES, measure_console)


def show_boot(args, results):
    base, *others = BOOTERS
    print(f"\nBoot to userspace, seconds from the start of the process ({args.cpu}, {args.memory})")
    print(f"{'':16}" + "".join(f"{name:>24}" for name in BOOTERS) + "".join(f"{name + ' / ' + base:>24}" for name in others))
    for console, result in results.items():
        print(f"{console + ' console':16}" + "".join(f"{shown(n, 2):>24}" for n in result["seconds"].values())
              + "".join(f"{shown(n, 2):>24}" for n in result["ratio"].values())
              + f"   {taken(result['seconds'][base], args.pairs, 'pairs')}")


PARTS = {"boot": (measure_boot, show_boot)}
