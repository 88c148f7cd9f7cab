#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""outlive.py KILLS FOLDER ARGUMENT...: a Debian guest whose worker is killed again and again.

Meanwhile its shell answers, its disks are written and read back, by fio --verify as well, numbered
lines flood a console, a TCP connection over a tap that the vmm has made echoes what it is sent, and
the guest's clock is compared with the host's. Then its vmm is upgraded, between those of FOLDER/old and FOLDER/new, and to
others that cannot take it. Prints the distributions of the pauses, as the keeper tells them.
"""
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

kills, folder = int(sys.argv[1]), sys.argv[2]
said = tempfile.TemporaryFile()
vmm = subprocess.Popen([f"{folder}/old/vmm/vmm", *sys.argv[3:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)
output = b""
news = threading.Condition()
PATIENCE = int(os.environ.get("RINGVISOR_PATIENCE", 1))


def read():
    global output
    while data := os.read(vmm.stdout.fileno(), 65536):
        with news:
            output += data
            news.notify_all()


def await_text(pattern, seconds):
    """The first match of the pattern in what comes from now on, or the end of the test."""
    seconds *= PATIENCE
    end = time.time() + seconds
    with news:
        while not (found := re.search(pattern, output[start:])):
            if time.time() > end or vmm.poll() is not None:
                said.seek(0)
                sys.exit(f"FAILED: no {pattern} within {seconds} s; the last output:\n"
                         f"{output[-800:].decode(errors='replace')}\n{said.read()[-800:].decode()}")
            news.wait(0.2)
    return found


def command(text, pattern, seconds=20):
    global start
    start = len(output)
    vmm.stdin.write(text.encode() + b"\n")
    vmm.stdin.flush()
    return await_text(pattern, seconds)


def pauses():
    return [int(us) / 1000 for us in re.findall(rb"goes on after (\d+) us", os.pread(said.fileno(), 1 << 20, 0))]


def worker():
    return int(subprocess.run(["pgrep", "-P", str(vmm.pid), "vmm-worker"], capture_output=True, text=True).stdout)


def kill():
    """One that takes over is let do so: killed in the middle of that it counts as a crash."""
    for n in range(1, kills + 1):
        time.sleep(random.uniform(0.05, 0.4))
        os.kill(worker(), 9)
        end = time.time() + 10 * PATIENCE
        while len(pauses()) < n and time.time() < end:
            time.sleep(0.01)


def ask(*words):
    """A command of the vmm: its status, and all that it says."""
    done = subprocess.run([f"{folder}/old/vmm/vmm", *words], capture_output=True, text=True, timeout=60 * PATIENCE)
    return done.returncode, done.stdout + done.stderr


def upgrade(name):
    """To a program of the folder, by its name; or of any path."""
    path = f"{folder}/{name}/vmm/vmm"
    return ask("upgrade", "outlive", "--binary", path if os.path.exists(path) else os.path.join(folder, name))


def runs(name):
    return os.readlink(f"/proc/{worker()}/exe") == f"{folder}/{name}/vmm/vmm"


def check(name, good, *seen):
    print("ok:" if good else "FAILED:", name)
    if not good:
        sys.exit(f"{seen}\n{os.pread(said.fileno(), 1 << 20, 0)[-2000:].decode()}")


upgrades = []


def upgrade_often():
    for n in range(6):
        time.sleep(random.uniform(0.05, 0.3))
        name = ("new", "old")[n % 2]
        upgrades.append(upgrade(name) + (runs(name),))


def write_during(disturb):
    """Blocks are written and read back, on each disk in turn, for as long as that runs, but thrice at
    least. How many."""
    thread = threading.Thread(target=disturb)
    thread.start()
    rounds = 0
    while thread.is_alive():
        disk = disks[rounds % len(disks)]
        rounds += 1
        command(f"dd if=/dev/urandom of=/tmp/d bs=64k count=8 2>/dev/null; "
                f"dd if=/tmp/d of={disk} bs=64k seek={rounds % 100 * 8} conv=fsync 2>/dev/null; "
                f"echo 3 >/proc/sys/vm/drop_caches; "
                f"dd if={disk} bs=64k skip={rounds % 100 * 8} count=8 2>/dev/null | cmp - /tmp/d && "
                f"echo same''{rounds}.", rb"same%d\." % rounds, 150)
    thread.join()
    return rounds


class Echo(threading.Thread):
    """The guest sends back what it is sent, over one connection."""

    def __init__(self):
        super().__init__(daemon=True)
        subprocess.run("ip addr add 192.168.79.1/24 dev rvoutlive && ip link set rvoutlive up", shell=True, check=True)
        self.listener = socket.create_server(("192.168.79.1", 5000))
        self.echoed, self.error, self.ends = 0, None, False
        command("ip addr add 192.168.79.2/24 dev eth0; ip link set eth0 up; nc 192.168.79.1 5000 -e /bin/cat & echo en''ds", rb"ends")
        self.start()

    def run(self):
        try:
            self.listener.settimeout(60 * PATIENCE)
            connection = self.listener.accept()[0]
            connection.settimeout(60 * PATIENCE)
            while not self.ends:
                block, got = os.urandom(16384), b""
                connection.sendall(block)
                while len(got) < len(block):
                    more = connection.recv(65536)
                    if not more:
                        raise OSError("the guest has closed the connection")
                    got += more
                if got != block:
                    raise OSError("other bytes came back than were sent")
                self.echoed += len(block)
        except OSError as error:
            self.error = error

    def check(self, name, least):
        """More came back than that; how much it is."""
        end = time.time() + 60 * PATIENCE
        while not self.error and self.echoed <= least and time.time() < end:
            time.sleep(0.05)
        check(name, not self.error and self.echoed > least, self.error, self.echoed)
        return self.echoed


LINE = 9  # bytes


def begin_load():
    """fio on the end of each disk, again and again, and lines on /dev/hvc0, until end_load()."""
    jobs = " ".join(f"--name={os.path.basename(disk)} --filename={disk}" for disk in disks)
    command("programs=$(basename $(dirname $(grep -lx programs /sys/block/vd*/serial))); mount -o ro /dev/$programs /mnt; "
            "for d in dev proc sys tmp; do mount --bind /$d /mnt/$d; done; echo is''mounted", rb"ismounted")
    command("(while [ ! -e /tmp/stop ]; do chroot /mnt fio --ioengine=libaio --direct=1 --rw=randwrite --bs=4k --iodepth=8 "
            f"--offset=52M --size=2M --verify=crc32c --verify_fatal=1 {jobs} >/tmp/fio 2>&1 && echo r >>/tmp/runs || "
            "{ cp /tmp/fio /tmp/bad; break; }; done; touch /tmp/over) & echo is''begun", rb"isbegun")
    command("(exec 8<>/dev/hvc0; stty raw <&8; i=0; while [ ! -e /tmp/stop ]; do printf '%08d\\n' $i >&8; i=$((i+1)); done; echo $i >/tmp/lines) & "
            "echo flo''ods", rb"floods")


def jumps(got, lines):
    """How often the numbered lines go back and forth: -1 for what is no line, or if the last one is missing."""
    at, place, back, forth = 0, 0, 0, 0
    expected = b"".join(b"%08d\n" % i for i in range(lines))
    while at < len(got):
        n = got.find(b"\n", at, at + LINE) + 1
        # The place that the next whole line tells; in the last one there is none.
        whole = re.compile(rb"\d{8}\n").match(got, n)
        now = int(whole[0]) * LINE - (n - at) if n and whole else len(expected) - (len(got) - at)
        if now < 0 or got[at:at + 1] != expected[now:now + 1]:
            # Several writes came again one after another, or a part of a line is lost: go on with a whole one.
            line = re.compile(rb"\n(?=(\d{8})\n)").search(got, at, at + 8 * LINE)
            if not line:
                return -1, -1
            at, now = line.end(), int(line[1]) * LINE
        back += now < place
        forth += now > place
        while at < len(got) and got[at:at + 1] == expected[now:now + 1]:
            size = 65536 if got[at:at + 65536] == expected[now:now + 65536] else 1
            at, now = min(at + size, len(got)), now + size
        place = now
    return (back, forth) if got.endswith(expected[-LINE:]) else (-1, -1)


def end_load():
    found = command("touch /tmp/stop; while [ ! -e /tmp/over ] || [ ! -e /tmp/lines ]; do sleep 1; done; "
                    "echo runs $(wc -l </tmp/runs) lines $(cat /tmp/lines) bad $(cat /tmp/bad 2>/dev/null | head -c 300).",
                    rb"runs (\d+) lines (\d+) bad([^\r\n]*)\.", 300)
    runs, lines, bad = int(found[1]), int(found[2]), found[3].decode()
    check("fio_reads_back_all_that_it_wrote", runs > 0 and not bad.strip(), runs, bad)
    end = time.time() + 60 * PATIENCE
    while not (got := open(f"{folder}/flood", "rb").read()).endswith(b"%08d\n" % (lines - 1)) and time.time() < end:
        time.sleep(0.1)
    back, forth = jumps(got, lines)
    print(f"fio verified {runs} times; {lines} lines on the console, of which some came again {back} times and {forth} gaps")
    # The last write of a worker that is killed may come once more. Nothing is missing.
    check("each_line_on_the_console_comes_once_but_for_the_last_writes_of_a_worker", 0 <= back <= kills and forth == 0,
          back, forth, got[-100:])


def show(what, took, rounds):
    took = sorted(took)
    print(f"{len(took)} {what}, pauses of {took[0]:.0f} to {took[-1]:.0f} ms, median "
          f"{took[len(took) // 2]:.0f}; {rounds} writes")


def answers():
    command("echo it''answers", rb"itanswers")


def refused(test, name, words, goes_on="old"):
    """The vmm of that name does not get the guest, which the one before keeps, or gets back."""
    before = worker()
    status, text = upgrade(name)
    answers()
    check(test, status == 1 and words in text and runs(goes_on) and (name == "fails" or worker() == before),
          status, text)


random.seed(int(os.environ.get("OUTLIVE_SEED", 17)))
disks = ["/dev/vda", "/dev/vdb"][:sum(a == "--disk" for a in sys.argv) - 1]
started = time.time()
start = 0
threading.Thread(target=read, daemon=True).start()
await_text(rb"# ", 100)
echo = Echo() if "--net" in sys.argv else None
echoed = echo.check("the_tap_carries_a_connection", 0) if echo else 0
begin_load()


def guests_clock():
    """And the host's, before and after it was looked at: a busy host takes its time."""
    before = time.time()
    up = float(command("cut -d' ' -f1 /proc/uptime; echo is''up", rb"([0-9.]+)\s+isup")[1])
    return before, up, time.time()


first = guests_clock()
rounds = write_during(kill)
last = guests_clock()
went = last[1] - first[1]
took = pauses()
show("kills", took, rounds)
check("each_worker_that_was_killed_had_a_successor", len(took) == kills)
if echo:
    echoed = echo.check("the_connection_over_the_tap_goes_on_after_kills", echoed)
# All pauses are missing in a clock that stands meanwhile.
slack = max(2, sum(took) / 2000)
check("the_guests_clock_went_on", last[0] - first[2] - slack < went < last[2] - first[0] + slack, went, first, last)

rounds = write_during(upgrade_often)
show("upgrades", pauses()[kills:], rounds)
if echo:
    echo.check("and_after_upgrades", echoed)
    print(f"{echo.echoed >> 10} KiB were echoed over the tap")
end_load()
check("each_upgrade_replaces_the_vmm", all(u[0] == 0 and u[2] for u in upgrades) and upgrades, upgrades)
refused("a_program_that_is_no_vmm_does_not_get_the_guest", "/bin/false", "exit status was 1")
refused("a_program_that_is_not_there_does_not_get_the_guest", "none", "No such file")
refused("a_script_does_not_get_the_guest", "script", "no ELF file")
refused("a_vmm_without_a_plugin_of_the_guest_refuses_it", "missing", "virtio-blk")
refused("a_plugin_that_does_not_know_the_older_state_refuses_it", "newer", "version 1")
refused("a_vmm_that_fails_late_gives_the_guest_back", "fails", "the one before goes on")

ask("pause", "outlive")
status, text = upgrade("new")
check("a_paused_guest_is_upgraded_and_stays_paused",
      status == 0 and runs("new") and '"state": "paused"' in ask("ps", "--json")[1], status, text)
ask("resume", "outlive")
answers()
first = subprocess.Popen([f"{folder}/old/vmm/vmm", "upgrade", "outlive", "--binary", f"{folder}/hangs"],
                         stderr=subprocess.PIPE, text=True)
def executes(pid, program):
    try:
        return os.readlink(f"/proc/{pid}/exe") == program
    except OSError:  # it has ended
        return False


def successor():
    """The process of the program that only hangs, once it has been started."""
    limit = time.time() + 60 * PATIENCE
    while time.time() < limit:
        # Not by its name: Linux before 6.14 calls what fexecve() has executed by the descriptor's number.
        for pid in subprocess.run(["pgrep", "-P", str(vmm.pid)], capture_output=True, text=True).stdout.split():
            if executes(pid, f"{folder}/hangs"):
                return int(pid)
    sys.exit("FAILED: no successor is started")


hanging = successor()
refused("the_second_of_two_upgrades_is_refused", "old", "another upgrade", "new")
os.kill(hanging, 9)
check("the_first_is_over_when_its_program_is_killed", first.wait(10 * PATIENCE) == 1 and "signal 9" in first.stderr.read())
first = subprocess.Popen([f"{folder}/old/vmm/vmm", "upgrade", "outlive", "--binary", f"{folder}/hangs"])
hanging = successor()
first.send_signal(signal.SIGINT)
first.wait(10 * PATIENCE)
limit = time.time() + 60 * PATIENCE
while os.path.exists(f"/proc/{hanging}") and time.time() < limit:
    time.sleep(0.1)
check("an_upgrade_that_is_interrupted_is_over", not os.path.exists(f"/proc/{hanging}"))
status, text = upgrade("hooked")
check("state_of_an_older_version_is_upgraded", status == 0 and runs("hooked"), status, text)
refused("a_plugin_that_does_not_know_the_newer_state_refuses_it", "old", "version 2", "hooked")
os.kill(worker(), 9)
answers()
check("the_next_worker_is_of_the_new_program", runs("hooked"))

command("head -c 64 /dev/hwrng >/dev/null; echo ran''dom", rb"random")
# Linux 6.1.192's virtio_net never ends a poll of what it has sent, once a shutdown has reset the device
# below it: the card has nothing to do then.
command("ip link set eth0 down 2>/dev/null; echo is''quiet", rb"isquiet")
vmm.stdin.write(b"poweroff -f\n")
vmm.stdin.flush()
check("the_guest_powers_off_in_the_end", vmm.wait(150 * PATIENCE) == 0)
events = json.load(open(f"{folder}/trace"))
check("a_trace_goes_on_with_the_last_worker", max(e.get("ts", 0) for e in events) > (time.time() - started - 20 * PATIENCE) * 1e6,
      events[-1], time.time() - started)
check("no_socket_is_left", not os.listdir(os.environ["RINGVISOR_RUN_DIR"]), os.listdir(os.environ["RINGVISOR_RUN_DIR"]))
