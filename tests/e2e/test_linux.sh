#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian's kernel as a guest: its interrupts, typing, reboot, many boots.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
exec_in() { got=0; "$root/tools/guest-exec" --timeout "$(limit 120)" "$@" >"$work/out" 2>"$work/err" || got=$?; }

exec_in -- sh -c 'uname -sm; cat /proc/cpuinfo'
check the_kernel_boots answers '^Linux aarch64$'
exec_in -- sh -c 'sleep 1; cat /proc/interrupts'
check the_timer_counts answers '^ *[0-9]+: +[1-9][0-9]* +GICv3 +27 Level +arch_timer'
check the_uart_is_there answers 'GICv3 +33 Level +uart-pl011'
exec_in -c 4 -- nproc
check four_cpus_come_up answers '^4$'
for cpu in cortex-a57 cortex-a72 max,,pauth-impdef=on; do
    on qemu || break # the other machine has the CPUs that there are
    exec_in -M "qemu,cpu=$cpu" -- uname -m
    check "it_boots_on_$cpu" answers '^aarch64$'
done
exec_in -m 1G -- uname -m
check it_boots_with_a_gib_of_memory answers '^aarch64$'

# Typing at the UART: input interrupts count, and nothing of what is typed is lost.
image=$("$root/tools/guest-image" 2>/dev/null)
kernel=$image/kernel initrd=$image/initrd
seq 1000 2599 >"$work/typed" # 8,000 bytes
talk 90 -k "$kernel" -i "$initrd" -p 'console=ttyAMA0 quiet' -m 512M <<T
@ringvisor:
~1
stty raw -echo; echo n""ow; head -c 8000 | md5sum; stty sane; grep uart /proc/interrupts; poweroff -f
@now
~0.5
<$work/typed
T
if [[ $got -eq 0 ]] && grep -qF "$(md5sum <"$work/typed" | cut -c1-32)" "$work/console" &&
    grep -qE ' [1-9][0-9]+ +GICv3 +33' "$work/console"; then
    ok typed_input_arrives_whole
else
    bad typed_input_arrives_whole "status $got" "$(tail -c 1000 "$work/console")" "$(cat "$work/err")"
fi

# Reboot: the guest starts again, with a fresh kernel, as often as it wants to.
talk 120 -k "$kernel" -i "$initrd" -p 'console=ttyAMA0 quiet' -m 512M -c 2 <<'T'
@ringvisor:
~0.5
reboot -f
@ringvisor:
~0.5
reboot -f
@ringvisor:
~0.5
poweroff -f
T
if [[ $got -eq 0 && $(grep -c '^Linux .* on ringvisor' "$work/console") -eq 3 ]]; then
    ok the_guest_reboots
else
    bad the_guest_reboots "status $got" "$(tail -c 1000 "$work/console")" "$(cat "$work/err")"
fi

# A unified kernel image: kernel, initrd and command line in one PE file, and no other option.
printf 'console=ttyAMA0 quiet of.the.uki=1\n' >"$work/cmdline"
python3 - "$work/uki" ".cmdline=$work/cmdline" ".initrd=$initrd" ".linux=$kernel" <<'P'
import struct, sys
sections = [(name, open(path, "rb").read()) for name, path in (a.split("=") for a in sys.argv[2:])]
headers, body, at = b"", b"", 4096
for name, data in sections:
    padded = data + bytes(-len(data) % 512)
    headers += struct.pack("<8sIIIIIIHHI", name.encode(), len(data), 0, len(padded), at, 0, 0, 0, 0, 0)
    body, at = body + padded, at + len(padded)
dos = b"MZ" + bytes(0x3A) + struct.pack("<I", 0x40)
pe = b"PE\0\0" + struct.pack("<HHIIIHH", 0xAA64, len(sections), 0, 0, 0, 0, 0)
with open(sys.argv[1], "wb") as out:
    out.write((dos + pe + headers).ljust(4096, b"\0") + body)
P
talk 90 -k "$work/uki" -m 512M <<'T'
@ringvisor:
~0.5
cat /proc/cmdline; poweroff -f
T
if [[ $got -eq 0 ]] && grep -q '^console=ttyAMA0 quiet of.the.uki=1' "$work/console"; then
    ok a_unified_kernel_image_boots
else
    bad a_unified_kernel_image_boots "status $got" "$(tail -c 1000 "$work/console")" "$(cat "$work/err")"
fi

for n in $(seq 20); do
    exec_in -- true
    [[ $got -eq 0 ]] || { bad "boot_$n" "status $got" "$(head -c 2000 "$work/err")"; break; }
done
[[ $got -eq 0 ]] && ok twenty_boots_in_a_row
exit $failed
