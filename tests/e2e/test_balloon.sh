#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The memory balloon with Debian's virtio_balloon: what the guest gives up, the host has;
# free pages come back by themselves; programs compute right while it moves.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
programs=$("$root/tools/guest-programs" stress-ng)
make_payloads

# control LINE...: what the balloon answers to each.
control() {
    python3 - "$work/control" "$@" <<'P'
import socket, sys, time
peer = socket.socket(socket.AF_UNIX)
for _ in range(100):
    try:
        peer.connect(sys.argv[1])
        break
    except OSError:
        time.sleep(0.1)
peer.settimeout(10)
answers = peer.makefile()
for line in sys.argv[2:]:
    peer.sendall(line.encode() + b"\n")
    print(answers.readline(), end="")
P
}
# field NAME: of the balloon's statistics, in MiB.
field() { control stats | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]] >> 20)' "$1"; }
until_said() { waits 60 grep -qs -- "$1" "$work/out"; }

cat >"$work/script" <<'S'
mount -o ro /dev/vda /mnt && for d in dev proc sys tmp; do mount --bind /$d /mnt/$d; done
total() { awk '/^MemTotal/ { printf "%d", $2 / 1024 }' /proc/meminfo; }
echo 'is up'
for n in $(seq 300); do [ $(total) -lt 250 ] && echo 'has shrunk' && break; sleep 0.1; done
for n in $(seq 300); do [ $(total) -gt 420 ] && echo 'has grown' && break; sleep 0.1; done
mount -t tmpfs -o size=300M tmpfs /root
dd if=/dev/zero of=/root/fill bs=1M count=200 2>/dev/null && echo 'is full'
sleep 3; rm /root/fill; echo 'is empty'
sleep 12
echo 'is stressed'
chroot /mnt stress-ng --temp-path /tmp --vm 1 --vm-bytes 96M --vm-method all --verify -t 6s 2>&1 | grep -E 'passed|fail' && echo 'has computed'
S
# What the host does meanwhile, and what it sees.
{
    until_said 'is up'
    [[ $(field total) -gt 0 ]] && echo 'statistics come'
    control 'size 128M' 'size 4M' 'size 100G' 'size x' 'grow' "$(printf 'x%.0s' {1..200})"
    control 'size 224M'
    until_said 'has shrunk'
    waits 10 eval '[[ $(field actual) -le 230 ]]' || true
    echo "host has $(field host) after shrinking"
    control 'size 480M'
    until_said 'is full'
    full=$(field host)
    until_said 'is empty'
    for _ in {1..60}; do
        on qemu || break # the other machine keeps all memory of a guest until its end
        [[ $(field host) -lt $((full - 100)) ]] && echo 'free pages come back' && break
        sleep 0.2
    done
    until_said 'is stressed'
    for _ in 1 2 3 4; do
        control 'size 256M' >/dev/null
        sleep 0.7
        control 'size 480M' >/dev/null
        sleep 0.7
    done
} >"$work/said" 2>&1 &
host=$!
got=0
"$root/tools/guest-exec" -v --timeout "$(limit 150)" -m 480M --balloon="control=socket:$work/control,deflate-on-oom=off" \
    --disk "$programs,ro" -- sh -c "$(cat "$work/script")" >"$work/out" 2>"$work/err" || got=$?
wait "$host" || true
said() { grep -q -- "$1" "$work/said"; }
check the_guest_ends_well test "$got" -eq 0
check statistics_of_the_guest_come said '^statistics come$'
check the_guest_shrinks says 'has shrunk'
shrunk=$(sed -n 's/^host has \([0-9]*\) after.*/\1/p' "$work/said")
if on qemu; then
    check the_host_has_what_the_guest_gave test "${shrunk:-999}" -lt 280 -a "${shrunk:-0}" -gt 20
    check free_pages_come_back_unasked said 'free pages come back'
else
    check the_guest_keeps_its_memory test "${shrunk:-0}" -ge 480
fi
check the_guest_grows_again says 'has grown'
check programs_compute_right_while_it_moves says 'has computed'
check wrong_sizes_are_refused test "$(grep -c '^error: size' "$work/said")" -eq 2
check wrong_words_name_the_right_ones said "error: 'grow': there are 'size SIZE' and 'stats'"
check a_line_without_end_is_refused said 'error: a line is too long'

# From the start, and out of memory: the balloon gives way.
got=0
"$root/tools/guest-exec" -v --timeout "$(limit 60)" -m 256M --balloon=size=64M -- sh -c '
for n in $(seq 100); do [ $(awk "/^MemFree/ { print \$2 }" /proc/meminfo) -lt 30000 ] && echo small && break; sleep 0.1; done
mount -t tmpfs -o size=200M tmpfs /tmp
dd if=/dev/zero of=/tmp/fill bs=1M count=90 2>/dev/null && echo filled' >"$work/out" 2>"$work/err" || got=$?
check a_balloon_is_there_from_the_start says small
check it_gives_way_when_memory_is_short says filled

refused more_than_there_is 1 'give 1M to 64M' -k "$work/off.elf" -m 64M --balloon=size=65M
refused less_than_anything 1 'give 1M to 64M' -k "$work/off.elf" -m 64M --balloon=size=4K
exit $failed
