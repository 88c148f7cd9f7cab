#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# In an emulated Arm computer: the module puts the stub below the running kernel, and takes it
# away again; CPUs go to the stub and come back; guests run on them. Arguments: the program that
# tries KVM, the one that takes CPUs, the AArch64 build, bare-metal guests: one that checks calls,
# one that never ends, one that counts aloud and never ends. $RINGVISOR_ARM_OPTIONS: more words for
# tools/arm-computer, such as --firmware tfa; $RINGVISOR_HOSTILE (default 100000): operations of the
# hostile process.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
kvm=$(realpath -- "$1") pcpu=$(realpath -- "$2") build=$3 # meson gives paths in the build folder
calls=$(realpath -- "$4") endless=$(realpath -- "$5") beats=$(realpath -- "$6")

cat >"$work/script" <<'S'
kvm=$1 pcpu=$2 build=$3 calls=$4 endless=$5 beats=$6 rounds=$7 image=$8 operations=$9
module=$build/modules/$(uname -r)
registers() { cat /sys/module/el2_registers/parameters/registers; }
are_as_before() { registers >/run/now && [ -s /run/before ] && cmp /run/now /run/before; }
take() { insmod "$module/linux_module/ringvisor.ko"; }

# CPUs compute, and compare what comes out.
load() {
    local sum=
    while [ ! -e /run/stop ]; do
        new=$(dd if=/dev/zero bs=64k count=8 2>/dev/null | sha256sum)
        [ -z "$sum" ] || [ "$sum" = "$new" ] || echo "load: wrong"
        sum=$new
    done
}

insmod "$module/el2_registers/el2_registers.ko"
registers >/run/before
cat /run/before
echo "refused: $("$kvm" 3 >/run/kvm & while ! grep -q kvm: /run/kvm; do usleep 10000; done; take 2>&1; wait)"
"$kvm"
for i in 1 2; do load & done
i=0
while [ $i -lt $rounds ] && take && rmmod ringvisor; do i=$((i + 1)); done
echo "rounds: $i"
are_as_before && echo "registers: same"
"$kvm"
take
echo "under: $(registers | awk '$2 == "badca11" { n++ } END { print n }')"
page_size=$(($(sed -n 's/^KernelPageSize: *\([0-9]*\) kB/\1/p' /proc/self/smaps | head -n 1) * 1024))
echo "busy: $(rmmod el2_registers && take 2>&1)"
insmod "$module/el2_registers/el2_registers.ko"
private=$(cat /sys/module/ringvisor/parameters/private_memory)
echo "$private" >/sys/module/el2_registers/parameters/physical
echo "kernel's access: $(cat /sys/module/el2_registers/parameters/physical)"
echo "process's access: $("$pcpu" load /proc/el2_physical) $("$pcpu" store /proc/el2_physical)"
# Bit 23 of the kernel's word for a page: offline. The first page, the last one, and one that is the kernel's.
offline() { echo $(($(dd if=/proc/kpageflags bs=8 skip=$(($1 / page_size)) count=1 2>/dev/null | hexdump -n 4 -e '1/4 "%u"') >> 23 & 1)); }
echo "offline: $(offline $private) $(offline $((private + 0x3ff000))) $(offline $((private + 0x400000)))"
echo "sleep: $(echo freeze 2>&1 >/sys/power/state)"
for i in 1 2 3; do
    for cpu in 1 2 3; do
        echo 0 >/sys/devices/system/cpu/cpu$cpu/online
    done
    [ $i != 1 ] || echo "last: $(echo 0 2>&1 >/sys/devices/system/cpu/cpu0/online)"
    [ $i != 1 ] || echo "off: $(cat /sys/devices/system/cpu/online) $(rmmod ringvisor 2>&1)"
    for cpu in 1 2 3; do
        echo 1 >/sys/devices/system/cpu/cpu$cpu/online
    done
done
echo "on: $(cat /sys/devices/system/cpu/online)"
"$pcpu" rounds 5
touch /run/stop
"$pcpu" rounds $((rounds * 2))
"$pcpu" brief $rounds
"$pcpu" hold >/run/held &
holder=$!
while ! grep -q held /run/held; do usleep 10000; done
echo "held: $(cat /sys/devices/system/cpu/online) $(rmmod ringvisor 2>&1)"
kill -9 $holder
wait $holder 2>/dev/null
echo "killed: $(cat /sys/devices/system/cpu/online)"
huge=/sys/kernel/mm/hugepages/hugepages-2048kB # whatever the kernel's own size is
echo 96 >$huge/nr_hugepages

# What a guest takes, and whether it is back: the kernel's CPUs, free huge pages, users of the module.
left() {
    echo "$(cat /sys/devices/system/cpu/online) $(cat $huge/free_hugepages)" \
        "$(sed -n 's/^ringvisor [0-9]* \([0-9]*\) .*/\1/p' /proc/modules)"
}

# guest NAME KERNEL OPTION...: in the background; its console in /run/NAME, what the vmm says in /run/NAME.err.
guest() {
    local name=$1 kernel=$2
    shift 2
    : >/run/$name # what an earlier guest of this name has said must not be taken for this one's
    "$build/vmm/vmm" run --grace 0 -k "$kernel" -m 64M "$@" </dev/null >/run/$name 2>/run/$name.err &
}

# Does the command succeed in time?
waits() {
    local i=0
    until "$@"; do
        [ $((i += 1)) -lt 9000 ] || return 1
        usleep 10000
    done
}
waits_for() { waits grep -q "$2" /run/$1; } # NAME WORDS: the guest with this name says them
beat() { [ $(grep -c '^# beat' /run/beats) -gt $1 ]; }
# All, or how many of how many; so many may be odd: a byte that was on its way to the console when
# a worker was killed may be lost or come twice.
beats_seen() {
    tr -d '\r' </run/beats | awk -v most=$1 '/^# beat [0-9]*, 0 wrong$/ { n++; last = $3 + 0; next } /wrong/ { odd++ }
        END { print last - n <= most && odd <= most && n ? "all" : n " of " last ", " odd " odd ones" }'
}
has_successor() { [ $(grep -c 'goes on after' /run/beats.err) -ge $1 ]; }
left_is() { [ "$(left)" = "$1" ]; }
echo "before: $(left)"
guest endless "$endless"
waits_for endless about_to_jump
guest first "$calls" -M linux,cpus=1 --log-level debug
first=$!
wait $first
echo "first guest: $? $(grep -c '^ok' /run/first) $(grep -c '^not ok' /run/first) $(tail -n 1 /run/first | tr -d '\r')"
guest many "$calls" -c 4
wait $!
echo "four vCPUs beside it: $? $(cat /run/many.err)"
guest taken "$calls" -M linux,cpus=3
wait $!
echo "a CPU that is taken: $? $(cat /run/taken.err)"
echo "beside it: $(cat /sys/devices/system/cpu/online)"
guest beats "$beats"
keeper=$!
waits beat 3
for i in 1 2; do
    kill -9 $(cat /proc/$keeper/task/$keeper/children)
    waits has_successor $i
    waits beat $(($(grep -c '^# beat' /run/beats) + 3))
done
echo "beats: $(beats_seen 2)"
echo "workers: $(grep -c 'goes on after' /run/beats.err) $(cat /sys/devices/system/cpu/online)"
kill -9 $(pidof vmm)
wait
waits left_is "0-3 96 0" # when the last worker has ended, too
echo "after kill -9: $(left)"

# Debian's kernel with what a guest usually has: a disk, a card on the user network, a folder.
truncate -s 1M /run/disk
mkdir /run/share
head -c 1048576 /dev/urandom >/run/share/file
httpd -p 127.0.0.1:8000 -h /run/share
mkfifo /run/keys
"$build/vmm/vmm" run --grace 0 -k "$image/kernel" -i "$image/initrd" -p console=ttyAMA0 -m 128M \
    --disk /run/disk,format=raw --net user --share /run/share,tag=folder \
    </run/keys >/run/debian 2>/run/debian.err &
vmm=$!
exec 3>/run/keys
up_or_gone() { usleep 200000; grep -q 'leaves it' /run/debian || ! kill -0 $vmm 2>/dev/null; }
waits up_or_gone
cat >&3 <<'G'
mount -t virtiofs folder /mnt && cp /mnt/file /dev/vda && sync && wget -q -O /tmp/page http://10.0.2.2:8000/file
echo 3 >/proc/sys/vm/drop_caches; cat /dev/vda >/mnt/back; cmp /tmp/page /mnt/back && echo all is the s""ame; poweroff -f
G
wait $vmm
echo "Debian: $? $(grep -c '^all is the same' /run/debian) $(cat /run/debian.err)"
cmp /run/share/file /run/disk && cmp /run/share/file /run/share/back && echo "the host has it, too"

# A hostile process beside two guests.
guest endless "$endless" -M linux,cpus=1
guest beats "$beats" -M linux,cpus=2
waits beat 3
waits_for endless about_to_jump
echo "beside two: $(left)"
"$pcpu" hostile $operations
waits beat $(($(grep -c '^# beat' /run/beats) + 3))
echo "beats beside it: $(beats_seen 0) $(left)"
kill -9 $(pidof vmm)
wait
dmesg | grep -E 'ringvisor: .*(does not come back|does not start again|are lost)' || waits left_is "0-3 96 0"
echo "after: $(left)"
# A Cortex-A72 looks like a Cortex-A53: QEMU has no computer with CPUs of different kinds.
echo 0x00000000410fd034 >/run/midr
is_another() { mount --bind /run/midr /sys/devices/system/cpu/cpu$1/regs/identification/midr_el1; }
is_another 3
guest endless "$endless" -c 2
waits_for endless about_to_jump
echo "two of a kind: $(cat /sys/devices/system/cpu/online)"
kill -9 $(pidof vmm)
wait
waits left_is "0-3 96 0"
guest named "$calls" -c 2 -M linux,cpus=2-3
wait $!
echo "of two kinds: $? $(cat /run/named.err)"
is_another 2
guest three "$calls" -c 3
wait $!
echo "three of a kind: $? $(cat /run/three.err)"
umount /sys/devices/system/cpu/cpu[23]/regs/identification/midr_el1
echo "kinds: $(left)"
rmmod ringvisor && echo "removed"
wait
are_as_before && echo "registers: the same"
taskset 1 "$kvm" # a CPU that was off once does not run KVM on a Cortex-A72, without the module either
# A CPU that is off when the module is loaded has no stub; the others have, whatever their numbers are.
echo 0 >/sys/devices/system/cpu/cpu1/online
take
echo "comes later: $(echo 1 2>&1 >/sys/devices/system/cpu/cpu1/online)"
for cpu in 1 3; do
    guest cpu$cpu "$calls" -M linux,cpus=$cpu
    wait $! || true
    echo "on CPU $cpu: $(tail -n 1 /run/cpu$cpu | tr -d '\r') $(cat /run/cpu$cpu.err)"
done
rmmod ringvisor
echo 1 >/sys/devices/system/cpu/cpu1/online
echo "with all CPUs: $(cat /sys/devices/system/cpu/online)"
dmesg | sed -n 's/^.*\(ringvisor: .*\)/\1/p' | sort | uniq -c
dmesg >/run/messages && grep -q 'ringvisor:' /run/messages &&
    { grep -E 'WARNING:|BUG:|Oops|rcu.*stall' /run/messages || echo "kernel: quiet"; }
S

# computer NAME ROUNDS OPTION...: the script in a computer of this kind.
computer() {
    local name=$1 rounds=$2
    shift 2
    got=0
    "$root/tools/arm-computer" --timeout $((400 + operations / 1000)) ${RINGVISOR_ARM_OPTIONS-} "$@" -- sh -c "$(cat "$work/script")" sh "$kvm" "$pcpu" "$build" \
        "$calls" "$endless" "$beats" "$rounds" "$image" "$operations" >"$work/out" 2>"$work/err" || got=$?
    check "${name}_ends_well" test "$got" -eq 0
    check "${name}_refuses_while_kvm_has_a_guest" matches "^ *[12] ringvisor: KVM has EL2"
    check "${name}_comes_and_goes_under_load" says "rounds: $rounds"
    check "${name}_load_computes_right" says_not "load: wrong"
    check "${name}_leaves_the_registers_of_el2" says "registers: same"
    check "${name}_kvm_runs_before_and_after" counts 3 '^kvm: 0x5a$'
    check "${name}_answers_the_kernels_calls_of_el2_with_an_error" says "under: 4"
    check "${name}_the_kernel_cannot_reach_the_stubs_memory" says "kernel's access: -14"
    check "${name}_a_process_cannot_reach_the_stubs_memory" says "process's access: pcpu: SIGBUS pcpu: SIGBUS"
    check "${name}_a_dump_of_memory_leaves_the_stubs_out" says "offline: 1 1 0"
    check "${name}_does_not_sleep_while_the_stub_is_there" matches "^sleep: sh: write error: "
    check "${name}_the_last_cpu_stays" matches "^last: sh: write error: .*busy"
    check "${name}_is_not_taken_away_while_a_cpu_is_off" matches "^off: 0 rmmod: .*(busy|temporarily unavailable)"
    check "${name}_cpus_go_and_come_back" says "on: 0-3"
    check "${name}_a_cpu_serves_and_comes_back" says "pcpu: $((rounds * 2)) rounds"
    check "${name}_a_cpu_comes_back_that_has_not_served_yet" says "pcpu: $rounds brief sessions"
    check "${name}_what_is_taken_stays_taken" matches "^held: 0-1 rmmod: .*(busy|temporarily unavailable)"
    check "${name}_cpus_of_a_killed_process_come_back" says "killed: 0-3"
    check "${name}_runs_a_guest_beside_another" matches '^first guest: 0 [1-9][0-9]* 0 DONE$'
    check "${name}_keeps_a_cpu_for_the_host" matches '^four vCPUs beside it: 1 .*one must stay for the host'
    check "${name}_takes_no_cpu_from_a_guest" matches '^a CPU that is taken: 1 .*another guest has one of them'
    check "${name}_has_the_cpus_back_of_a_guest_that_ended" says "beside it: 0-2"
    check "${name}_a_guest_outlives_its_workers" says "workers: 2 0-1"
    check "${name}_a_guest_goes_on_where_its_worker_was_killed" says "beats: all"
    check "${name}_has_all_back_of_a_vmm_that_was_killed" says "after kill -9: 0-3 96 0"
    check "${name}_runs_debian_with_a_disk_a_network_and_a_folder" says "Debian: 0 1 "
    check "${name}_has_what_debian_wrote" says "the host has it, too"
    check "${name}_survives_a_hostile_process" says "pcpu: $operations hostile operations"
    check "${name}_guests_do_not_notice_it" eval 'says "beside two: 0,3 " && says "beats beside it: all 0,3 "'
    check "${name}_has_all_back_after_it" says "after: 0-3 96 0"
    check "${name}_a_guest_has_cpus_of_one_kind" says "two of a kind: 0,3"
    check "${name}_refuses_cpus_of_different_kinds" matches '^of two kinds: 1 .*CPU 2 \(implementer 0x[0-9a-f]+, part 0x[0-9a-f]+\), CPU 3 \(implementer 0x41, part 0xd03\)'
    check "${name}_refuses_more_cpus_than_a_kind_has" matches '^three of a kind: 1 .*no kind has so many free: CPU 0,1 .*, CPU 2,3 '
    check "${name}_takes_no_cpu_when_it_refuses" says "kinds: 0-3 96 0"
    check "${name}_is_taken_away" says "removed"
    check "${name}_leaves_the_registers_after_cpus_were_off" says "registers: the same"
    check "${name}_a_cpu_without_the_stub_stays_off" eval 'matches "^comes later: sh: write error: Operation not permitted" &&
        matches "ringvisor: CPU 1 was off when ringvisor was loaded" && says "with all CPUs: 0-3"'
    check "${name}_a_cpu_without_the_stub_runs_no_guest" matches "^on CPU 1: .*'1': the stub is only below CPUs"
    check "${name}_runs_a_guest_on_a_cpu_behind_it" matches "^on CPU 3: DONE"
    check "${name}_the_kernel_complains_of_nothing" says "kernel: quiet"
}

image=$("$root/tools/guest-image" 2>/dev/null)
operations=${RINGVISOR_HOSTILE:-100000}
computer cortex_a72 50
exit $failed
