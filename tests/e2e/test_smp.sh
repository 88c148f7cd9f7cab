#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian's kernel on several CPUs, with pCPUs of their own and with shared ones.
# Usage: test_smp.sh GUEST-PROGRAM [PCPUS...]: four vCPUs on so many pCPUs, 4, 2 and 1 if there is
# no number; with the number 1 alone, nothing else is tested. SMP_HOTPLUG_ROUNDS (default 1) is how often every
# CPU is switched off and on in each case: 100 take minutes. SMP_REBOOTS (default 3): Linux's.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
program=$1
shift
[[ $# -gt 0 ]] || set -- 4 2 1
exec_in() { got=0; "$root/tools/guest-exec" --timeout "$(limit 400)" "$@" >"$work/out" 2>"$work/err" || got=$?; }

[[ $* == 1 ]] || for cpus in 1 2 4 8; do
    exec_in -c "$cpus" -- nproc
    check "${cpus}_cpus_come_up" answers "^$cpus\$"
done

# The same load wherever it runs: eight processes, and what they compute must be right.
cat >"$work/load" <<'S'
one() {
    head -c 1000000 /dev/urandom >/run/r$1
    [ "$(gzip </run/r$1 | gunzip | sha256sum)" = "$(sha256sum </run/r$1)" ] || return
    [ -s /run/r$1 ] && [ "$(seq 5000 | shuf | sort -n | md5sum)" = "a5a208cd26b07cadade3450fe14d1d93  -" ] || return
    n=0 s=0
    while [ $n -lt 20000 ]; do n=$((n + 1)) s=$((s + n)); done
    [ $s -eq 200010000 ] && echo right
}
for i in 1 2 3 4 5 6 7 8; do one $i & done
wait
S
# Every CPU that can be switched off is, and comes back, while others compute.
cat >"$work/hotplug" <<'S'
i=0
while [ $i -lt 4 ]; do (while :; do :; done) & i=$((i + 1)); done
round=0 switched=0
while [ $round -lt "$0" ]; do
    for cpu in /sys/devices/system/cpu/cpu*/online; do
        echo 0 >$cpu && [ "$(cat $cpu)" = 0 ] && echo 1 >$cpu && [ "$(cat $cpu)" = 1 ] &&
            switched=$((switched + 1))
    done
    round=$((round + 1))
done
kill $(jobs -p)
echo "switched $switched of $(($0 * $(ls -d /sys/devices/system/cpu/cpu*/online | wc -l)))"
[ "$(nproc)" = 4 ]
S
mapfile -t encoded < <(gzip -9 <"$program" | base64 -w 100000)
unpack='printf %s "$@" | base64 -d | gunzip >/run/smp && chmod +x /run/smp && exec /run/smp'
rounds=${SMP_HOTPLUG_ROUNDS:-1}

for pcpus; do
    [[ $pcpus == 4 ]] || on qemu || continue # on the other machine each vCPU has a CPU of its own
    on="on_${pcpus}_pcpus"
    start=$SECONDS
    exec_in -c 4 --pcpus "$pcpus" -- sh -c "$(cat "$work/load")"
    check "eight_processes_compute_right_$on" answers '^right$'
    [[ $(grep -c '^right$' "$work/out") -eq 8 ]] || bad "all_eight_compute_right_$on" "$(cat "$work/out")"
    echo "# the load $on: $((SECONDS - start)) s with the boot"
    start=$SECONDS
    exec_in -c 4 --pcpus "$pcpus" -- sh -c "$(cat "$work/hotplug")" "$rounds"
    check "every_cpu_goes_and_comes_$on" answers "^switched ([1-9][0-9]*) of \\1\$"
    echo "# hotplug, $rounds rounds $on: $((SECONDS - start)) s with the boot"
    start=$SECONDS
    exec_in -c 4 --pcpus "$pcpus" -- sh -c "$unpack" sh "${encoded[@]}"
    check "threads_pmu_debug_and_sve_$on" answers '^all good$'
    echo "# the program $on: $((SECONDS - start)) s with the boot"
done

[[ $* != 1 ]] || exit $failed

# Reboots with four CPUs, which are all up each time.
image=$("$root/tools/guest-image" 2>/dev/null)
reboots=${SMP_REBOOTS:-3}
shared=(--pcpus 2)
on qemu || shared=()
# Once for each boot there is "leaves it", and the shell's prompt is next.
talk $((60 + 60 * reboots)) -k "$image/kernel" -i "$image/initrd" -p 'console=ttyAMA0 quiet' -m 512M -c 4 "${shared[@]}" < <(
    for ((n = 1; n <= reboots; n++)); do
        printf '%s\n' '@leaves it' '~2' 'echo cpus $(nproc)' '@cpus 4' '~0.5'
        [[ $n -lt $reboots ]] && echo 'reboot -f' || echo 'poweroff -f'
    done
)
if [[ $got -eq 0 && $(tr -d '\r' <"$work/console" | grep -c '^cpus 4$') -eq $reboots ]]; then
    ok "four_cpus_come_up_after_each_of_${reboots}_reboots"
else
    bad four_cpus_come_up_after_each_reboot "status $got" "$(tail -c 1000 "$work/console")" "$(cat "$work/err")"
fi
exit $failed
