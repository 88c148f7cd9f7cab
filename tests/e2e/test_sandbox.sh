#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The sandbox: a plugin that tries everything gets nothing, and neither do QEMU and a helper. The
# other tests show that what a user asked for still works in it: it is on in all of them.
# Usage: test_sandbox.sh BREAKOUT_DIR
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
make_payloads
mkdir "$work/folder"
for file in outside folder/inside; do echo secret >"$work/$file"; done
python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); time.sleep(3000)' "$work/socket" &
sleep 3000 &
victim=$!
waits 60 test -S "$work/socket" || true
breakout=(-m 64M -P "$1" -d "breakout,outside=$work/outside,inside=$work/folder/inside,socket=$work/socket,victim=$victim")
off=(run -k "$work/off.elf" "${breakout[@]}")

# done_by THREAD: what it could do, in one line.
done_by() { sed -n "s/^$1 \(.*\): DONE$/\1/p" "$work/err" | tr '\n' ' '; }
tried() { [[ $(grep -c "^$1 .*: \(DONE\|refused\)$" "$work/err") -eq $2 ]]; }
nothing_but() { [[ $got -eq 0 && $(done_by "$1") == "$2" ]]; }

run 60 "${off[@]}" --sandbox off
check without_a_sandbox_the_plugin_can_do_much says 'loop read-memory-file: DONE' "$work/err"
check without_a_sandbox_it_executes_a_program says 'loop execute: DONE'
# The keeper does not wait for ever for what has taken the vmm's place, nor try for ever to replace it.
printf '#!/bin/sh\nexec sleep 3000\n' >"$work/idle"
chmod +x "$work/idle"
run 90 "${off[@]},execute=$work/idle" --sandbox off
check a_program_in_the_place_of_the_vmm_is_killed complains 'does not speak to its keeper any more'
check after_six_of_them_the_guest_is_ended eval '[[ $got -eq 137 ]] && complains "the 6th time within 10 s"'
[[ -e $work/outside ]] || echo secret >"$work/outside"
rm -f "$work/outside.new"

run 60 "${off[@]}"
check the_plugin_has_tried_all_of_it tried loop 28
check nothing_is_left_to_a_plugin nothing_but loop ''
check nothing_is_left_to_a_thread_that_was_there_before nothing_but early ''
check a_refused_call_is_reported_by_its_name complains 'sandbox: refused the system call execve'

# With a shared folder files can be opened: Landlock says which.
run 60 "${off[@]}" --share "$work/folder,tag=folder"
check of_a_shared_folder_only_its_files_are_reached nothing_but loop 'use-inside '
check so_they_are_by_a_thread_that_was_there_before nothing_but early 'use-inside '
check no_file_was_made_outside test ! -e "$work/outside.new"
check the_file_outside_is_as_it_was test "$(cat "$work/outside")" = secret

run 60 "${off[@]}" --sandbox strict
check in_strict_mode_a_refused_call_ends_the_vmm test "$got" -eq 159
check strict_mode_is_no_hindrance_to_a_guest run 60 run -k "$work/off.elf" -m 64M --sandbox strict
check and_it_ends_well test "$got" -eq 0
refused a_sandbox_that_there_is_not 2 'give on, off or strict' -k "$work/off.elf" --sandbox maybe

# A QEMU that somebody has put something into.
if on qemu; then
    cat >"$work/qemu" <<Q
#!/bin/sh
case \$* in *-version) exit 1 ;; esac
cat $work/outside && echo 'read: DONE'
echo x >$work/qemu.new && echo 'write: DONE'
kill -0 $victim && echo 'kill: DONE'
python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("$work/socket")' && echo 'connect: DONE'
python3 -c 'open("/proc/$victim/mem")' && echo 'memory: DONE'
echo 'qemu has tried'
Q
    chmod +x "$work/qemu"
    run 60 run -k "$work/off.elf" -m 64M -M "qemu,path=$work/qemu" --sandbox off
    check without_a_sandbox_qemu_can_do_much says 'memory: DONE' "$work/err"
    check without_a_sandbox_qemu_writes_files test -e "$work/qemu.new"
    rm -f "$work/qemu.new"
    mv "$work/qemu" "$work/folder/qemu"
    run 60 run -k "$work/off.elf" -m 64M -M "qemu,path=$work/folder/qemu"
    check qemu_has_tried_too complains 'qemu has tried'
    check nothing_is_left_to_qemu test -z "$(grep DONE "$work/err")"
fi

# start OPTION...: a guest that loops; its keeper is $pid, and the vmm proper is $worker.
start() {
    rm -f "$work/out"
    "$vmm" run -k "$work/loop.elf" -m 64M "$@" >"$work/out" 2>"$work/err" </dev/null &
    pid=$!
    waits 60 grep -qs U "$work/out" || true
    worker=$("$vmm" ps --json | sed -n 's/.*"worker": \([0-9]*\).*/\1/p')
}
children() { pgrep -P "$pid,$worker" qemu; }
has() { grep -qP "^$2:\t$3$" "/proc/$1/status"; }
export RINGVISOR_RUN_DIR=$work/run
mkdir -m 700 "$work/run"
qemu-img create -q -f qcow2 "$work/folder/disk.qcow2" 16M
start --disk "$work/folder/disk.qcow2" --console "pty:$work/link"
# The machine, if it is QEMU, and the helper.
nr_children=1
! on qemu || nr_children=2
all_children() { [[ $(children | wc -l) -eq $nr_children ]]; }
check qemu_and_the_helper_run waits 60 all_children
! on qemu || ! ldd "$(command -v qemu-system-aarch64)" 2>/dev/null | finds libseccomp ||
    check qemu_has_its_own_filter_as_well grep -q elevateprivileges=deny "/proc/$(pgrep -P "$pid,$worker" qemu-system)/cmdline"
for child in $(children); do
    check "$(cat "/proc/$child/comm")_has_a_filter" has "$child" Seccomp 2
    check "$(cat "/proc/$child/comm")_gets_no_new_privileges" has "$child" NoNewPrivs 1
    ! unshare -n true 2>/dev/null && ! unshare -Un true 2>/dev/null || for ns in net ipc uts; do
        check "$(cat "/proc/$child/comm")_has_a_namespace_of_its_own_for_$ns" \
            test "$(readlink "/proc/$child/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")"
    done
done
check the_vmm_has_no_capabilities has "$worker" CapPrm 0000000000000000
check the_vmm_has_a_filter has "$worker" Seccomp 2
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
check a_killed_vmm_leaves_no_socket waits 60 test ! -e "$work/run/vm-$pid.sock"
check a_killed_vmm_leaves_no_link test ! -L "$work/link"
exit "$failed"
