#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Devices with Debian's drivers: the RTC's time, its alarm, a guest that is suspended to
# RAM until the alarm, the entropy device, items of fw_cfg, and the seed of a cloud image.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"

before=$(date +%s)
cat >"$work/script" <<'S'
cat /sys/class/rtc/rtc0/name /sys/class/rtc/rtc0/since_epoch
date +%s
irqs() { awk '/rtc/ { n = 0; for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i; print n }' /proc/interrupts; }
echo "source $(cat /sys/class/misc/hw_random/rng_current)"
echo "random $(dd if=/dev/hwrng bs=4096 count=64 2>/dev/null | gzip | wc -c)"
now=$(cat /sys/class/rtc/rtc0/since_epoch)
echo $((now + 2)) >/sys/class/rtc/rtc0/wakealarm
sleep 4
echo "alarms $(irqs) took"
cd /sys/firmware/qemu_fw_cfg
echo "items $(cat rev) $(cat by_name/opt/org.example/greeting/raw) $(sha256sum <by_name/opt/org.example/item/raw)"
echo "seed $(grep -aic cidata /dev/vda) $(grep -ac '"local-hostname":"web-1"' /dev/vda)"
echo enabled >/sys/class/rtc/rtc0/device/power/wakeup
now=$(cat /sys/class/rtc/rtc0/since_epoch)
echo $((now + 3)) >/sys/class/rtc/rtc0/wakealarm
echo mem >/sys/power/state && echo "slept $(($(cat /sys/class/rtc/rtc0/since_epoch) - now))"
S
head -c 5000 /dev/urandom >"$work/item"
items=fw-cfg,string=opt/org.example/greeting:hello,file=opt/org.example/item:$work/item
got=0
"$root/tools/guest-exec" --timeout "$(limit 60)" --rng --device "$items" --cloud-init hostname=web-1 -- sh -c "$(cat "$work/script")" >"$work/out" 2>"$work/err" || got=$?
after=$(date +%s)
between() { [[ $1 =~ ^[0-9]+$ && $1 -ge $2 && $1 -le $3 ]]; }
mapfile -t line <"$work/out"

check the_guest_ends_well test "$got" -eq 0
check the_kernel_has_the_rtc grep -q '^rtc-pl031' "$work/out"
check the_rtc_has_the_hosts_time between "${line[1]:-}" $((before - 2)) $((after + 2))
check the_kernel_took_its_time_from_it between "${line[2]:-}" $((before - 2)) $((after + 2))
check the_kernel_has_the_entropy_device grep -q '^source virtio_rng' "$work/out"
check the_kernel_reads_fw_cfg grep -q "^items 3 hello $(sha256sum <"$work/item")\$" "$work/out"
check the_seed_of_cloud_init_is_a_disk grep -q '^seed [1-9].* [1-9]' "$work/out"
# 256 KiB that do not get smaller by compression.
check its_bytes_are_random between "$(sed -n 's/^random //p' "$work/out")" 262144 270000
check the_alarm_interrupts grep -q '^alarms 1 took$' "$work/out"
slept=$(sed -n 's/^slept //p' "$work/out")
check the_alarm_wakes_a_suspended_guest between "$slept" 3 30
exit $failed
