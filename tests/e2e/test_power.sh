#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What Debian's kernel does with the firmware: CPU hotplug, suspend to RAM, the TRNG.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
exec_in() { got=0; "$root/tools/guest-exec" --timeout "$(limit 240)" "$@" >"$work/out" 2>"$work/err" || got=$?; }
image=$("$root/tools/guest-image" 2>/dev/null)

# Every CPU off and on, the one that booted too; each time the kernel sees it go (AFFINITY_INFO).
exec_in -c 2 -- sh -c '
    for round in $(seq 20); do
        for cpu in 0 1; do
            for online in 0 1; do
                echo $online >/sys/devices/system/cpu/cpu$cpu/online || exit 1
            done
        done
    done
    cat /sys/devices/system/cpu/online
    dmesg | grep -c "psci: CPU[01] killed"
    dmesg | grep -iE "psci.*(fail|unknown|may not)|failed to come online" || true'
if [[ $got -eq 0 && $(cat "$work/out") == $'0-1\n40' ]]; then
    ok every_cpu_goes_off_and_on_20_times
else
    bad every_cpu_goes_off_and_on_20_times "status $got" "$(tail -c 1000 "$work/out")" "$(cat "$work/err")"
fi

# Suspend to RAM (SYSTEM_SUSPEND, after CPU_OFF of the second CPU): a key ends it, and nothing else.
is_there() { [[ $(grep -cE -- "$1" "$work/console" 2>/dev/null) -ge $2 ]]; } # PATTERN COUNT
wait_for() { waits 60 is_there "$@" || true; }
: >"$work/early"
{
    wait_for 'ringvisor:' 1
    sleep 0.5
    printf 'cd /sys/devices/platform/*.pl011/tty/ttyAMA0/power && echo enabled >wakeup\n'
    printf 'cat /sys/power/mem_sleep\n'
    for round in 1 2 3; do
        printf 'a=$(date +%%s); echo mem >/sys/power/state; echo woke=$?,$(($(date +%%s) - a))s\n'
        wait_for 'Suspending console' "$round"
        sleep 3
        grep -cE '^woke=' "$work/console" >>"$work/early" || true
        printf '\n'
        wait_for '^woke=' "$round"
    done
    printf 'nproc; dmesg | grep -c "PM: suspend exit"; poweroff -f\n'
    wait_for 'reboot: Power down' 1
} | timeout "$(limit 120)" "$vmm" run -k "$image/kernel" -i "$image/initrd" -p 'console=ttyAMA0' -m 512M -c 2 \
    >"$work/console" 2>"$work/err" && got=0 || got=$?
tr -d '\r' <"$work/console" >"$work/out"
if [[ $got -eq 0 && $(tr '\n' ' ' <"$work/early") == '0 1 2 ' ]] && grep -q '\[deep\]' "$work/out" &&
    [[ $(grep -cE '^woke=0,([3-9]|[1-9][0-9]+)s$' "$work/out") -eq 3 ]] &&
    [[ $(grep -cE '^[23]$' "$work/out") -eq 2 ]]; then
    ok suspend_to_ram_ends_with_a_key
else
    bad suspend_to_ram_ends_with_a_key "status $got; woken before the key:" "$(cat "$work/early")" \
        "$(tail -c 2000 "$work/out")" "$(cat "$work/err")"
fi

# Linux's own driver for the TRNG, a module of the kernel's package.
mkdir "$work/module"
dpkg-deb --fsys-tarfile "$image"/../../packages/linux-image-*.deb |
    tar -x -C "$work/module" --wildcards --transform 's|.*/||' '*/arm_smccc_trng.ko*'
[[ ! -e $work/module/arm_smccc_trng.ko.xz ]] || xz -d "$work/module/arm_smccc_trng.ko.xz"
exec_in -- sh -c '
    echo "$1" | base64 -d >/tmp/trng.ko && insmod /tmp/trng.ko
    cat /sys/class/misc/hw_random/rng_current
    dd if=/dev/hwrng bs=1024 count=16 2>/dev/null >/tmp/a
    dd if=/dev/hwrng bs=1024 count=16 2>/dev/null >/tmp/b
    wc -c </tmp/a
    gzip -c /tmp/a | wc -c
    cmp -s /tmp/a /tmp/b || echo differ' sh "$(base64 -w0 "$work/module/arm_smccc_trng.ko")"
{ read -r name; read -r size; read -r packed; read -r verdict; } <"$work/out" || true
if [[ $got -eq 0 && $name == smccc_trng && $size -eq 16384 && $packed -ge 16384 && $verdict == differ ]]; then
    ok linux_reads_the_trng
else
    bad linux_reads_the_trng "status $got" "$(tail -c 1000 "$work/out")" "$(cat "$work/err")"
fi
exit $failed
