#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# GDB attached to a bare-metal guest, and to Debian's kernel on two CPUs.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
socket=$work/gdb.socket

# A guest that counts in work(), with a BRK of its own which its handler steps over, until a
# debugger sets `enough`; then it powers off.
cat >"$work/count.s" <<'S'
        .global _start, work, leaf, enough, counter, brks, vector, never
_start: ldr x1, =stack
        mov sp, x1
        ldr x1, =vectors
        msr vbar_el1, x1
        isb
1:      bl work
        ldr x1, =enough
        ldr w1, [x1]
        cbz w1, 1b
        .type never, %function
never:  ldr x0, =0x84000008
        hvc #0
        .type work, %function
work:   stp x29, x30, [sp, #-16]!
        mov x29, sp
        add x19, x19, #1
        ldr x2, =counter
        str x19, [x2]
        brk #1
        bl leaf
        ldp x29, x30, [sp], #16
        ret
        .type leaf, %function
leaf:   wfe
        mov x3, #3
        ret
        .align 11
        .type vector, %function
vectors:
        .org vectors + 0x200
vector: ldr x4, =brks
        ldr x5, [x4]
        add x5, x5, #1
        str x5, [x4]
        mrs x4, elr_el1
        add x4, x4, #4
        msr elr_el1, x4
        eret
        .data
        .align 3
enough: .quad 0
counter: .quad 0
brks:   .quad 0
        .space 256
stack:
S
aarch64-linux-gnu-gcc -nostdlib -static -Wl,--build-id=none -Wl,-n -Wl,-Ttext=0x40080000 \
    -o "$work/count.elf" "$work/count.s"

# start OPTION...: a guest in the background, with --gdb; its input is $input.
input=/dev/null
start() {
    rm -f "$socket"
    timeout -k 5 "$(limit 100)" "$vmm" run --gdb "unix:$socket" "$@" >"$work/console" 2>"$work/err" <"$input" &
    guest=$!
    waits 60 test -S "$socket" || true
}

# debug ELF: the commands on stdin; what GDB says in $work/out.
debug() {
    { printf '%s\n' "set pagination off" "set confirm off" "set tcp connect-timeout 20" \
        "target remote $socket"; cat; } >"$work/script"
    got=0
    timeout -k 5 "$(limit 60)" gdb-multiarch -nx -batch ${1:+"$1"} -x "$work/script" >"$work/out" 2>&1 || got=$?
}

# The guest ends within its time, with this status.
ends_with() { got=0; wait "$guest" || got=$?; [[ $got -eq $1 ]]; }

start -k "$work/count.elf" --gdb-wait
debug "$work/count.elf" <<'G'
printf "begins at %d\n", $pc == (unsigned long)&_start
break leaf
continue
printf "counted %d\n", *(long *)&counter
backtrace
printf "the guest's own brk: %d\n", *(long *)&brks
stepi
stepi
printf "x3 is %d after two steps\n", $x3
delete
hbreak *work
continue
printf "in work: %d\n", $pc == (unsigned long)&work
delete
watch *(long *)&counter
continue
continue
delete
rwatch *(long *)&enough
continue
delete
awatch *(long *)&counter
continue
delete
if $_isvoid($z0)
    printf "no SVE\n"
else
    printf "z0 has %d bytes\n", sizeof($z0)
    set $z0.u64[1] = 0x1234
    printf "of which some are %lx\n", $z0.u64[1]
end
set $x19 = 1000000
break leaf
continue
continue
printf "at %d\n", *(long *)&counter
printf "memory has no breakpoint: %x\n", *(int *)&leaf
delete
G
check "the_guest_waits_for_the_debugger" says "begins at 1"
check "a_software_breakpoint_stops_it" says "counted 1"
check "a_backtrace_has_the_callers" matches '^#1 .* in work '
check "the_guests_own_brk_is_the_guests" says "the guest's own brk: 1"
check "a_step_over_wfe_and_one_more" says "x3 is 3 after two steps"
check "a_hardware_breakpoint_stops_it" says "in work: 1"
check "a_watchpoint_tells_old_and_new" matches '^New value = 3'
check "a_read_watchpoint_stops_it" matches '^Hardware read watchpoint [0-9]+: \*\(long \*\)&enough'
check "an_access_watchpoint_stops_it" matches '^Hardware access \(read/write\) watchpoint [0-9]+: \*\(long \*\)&counter'
if on qemu || ! says "no SVE"; then # an Arm computer's CPU may have none
    check "sve_registers_are_shown_whole" matches '^z0 has (16|32|64|128|256) bytes'
    check "sve_registers_are_written" says "of which some are 1234"
fi
check "registers_and_memory_are_written" says "at 1000001"
check "what_memory_has_is_the_guests" says "memory has no breakpoint: d503205f"

# GDB has gone without a word. The next one finds the guest running, and a reset stays a guest's.
debug "$work/count.elf" <<'G'
printf "goes on: %d\n", *(long *)&counter > 1000001
monitor reset
break leaf
continue
printf "after the reset %d\n", *(long *)&counter
detach
G
check "it_goes_on_when_the_debugger_is_gone" says "goes on: 1"
check "breakpoints_work_after_a_reset" says "after the reset 1"

# The worker is killed while the guest runs to a breakpoint, and while it is stopped at one.
worker() { pgrep -P "$(pgrep -P "$guest")" vmm-worker; }
cat >"$work/kill" <<S
sleep "\$1"; kill -9 "\$2"
S
debug "$work/count.elf" <<G
break never
shell sh "$work/kill" 1 $(worker) &
continue
G
check "a_killed_vmm_ends_the_connection" says "Remote connection closed"
another_worker() { [[ $(worker) && $(worker) != "$1" && -S $socket ]]; }
killed=$(sed -n 's/^shell.* \([0-9]*\) &$/\1/p' "$work/script")
check "another_vmm_goes_on" waits 60 another_worker "$killed"
killed=$(worker)
debug "$work/count.elf" <<G
printf "memory is the guest's: %d\n", *(int *)&never != 0xd4200000
break leaf
continue
printf "stops again: %d\n", \$pc == (unsigned long)&leaf
shell kill -9 $killed
stepi
G
check "what_a_debugger_had_set_is_gone" says "memory is the guest's: 1"
check "breakpoints_work_with_another_vmm" says "stops again: 1"
check "another_vmm_goes_on_with_a_guest_that_was_stopped" waits 60 another_worker "$killed"
debug "$work/count.elf" <<'G'
shell (sleep 1; kill -INT $PPID) &
continue
printf "interrupted after %d\n", *(long *)&counter > 1
set var *(int *)&enough = 1
detach
G
check "ctrl_c_stops_it" says "interrupted after 1"
check "the_guest_powers_off_when_it_is_let_go" ends_with 0

# Linux on two CPUs, whose symbols are those that it tells itself.
image=$("$root/tools/guest-image" 2>/dev/null)
input=$work/in
mkfifo "$input"
sleep "$(limit 100)" >"$input" & # holds it open
writer=$!
start -c 2 -k "$image/kernel" -i "$image/initrd" \
    -p "console=ttyAMA0 nokaslr arm64.nopauth nowatchdog"
names='(__arm64_sys_sethostname|invoke_syscall|el0_svc_common[a-z0-9.]*|do_el0_svc|el0_svc|el0t_64_sync_handler|el0t_64_sync|cpu_do_idle|arch_cpu_idle|default_idle_call|do_idle|cpu_startup_entry|secondary_start_kernel)'
waits 60 grep -qaE 'root# ' "$work/console" || true
echo "grep -E ' [tT] $names\$' /proc/kallsyms; echo all-told; n=0; while :; do hostname guest-\$n; hostname; n=\$((n + 1)); sleep 0.1; done" >"$input"
waits 60 grep -qaE '^all-told' "$work/console" || true
# GDB takes no absolute symbols for functions: these are in a section that covers the kernel.
{
    printf '.section .kernel, "ax", %%nobits\nkernel:\n'
    tr -d '\r' <"$work/console" | awk '/^ffff[0-9a-f]+ [tT] / && !seen[$3]++ {
        gsub(/\./, "_", $3)
        print ".global " $3 "\n.type " $3 ", %function\n.set " $3 ", kernel + 0x" $1 " - " base
    }' base=0xffff800008000000
    printf '.space 0x2000000\n'
} >"$work/symbols.s"
aarch64-linux-gnu-gcc -c -o "$work/symbols.o" "$work/symbols.s"
aarch64-linux-gnu-ld --section-start=.kernel=0xffff800008000000 -e 0 -o "$work/symbols.elf" "$work/symbols.o"
debug "$work/symbols.elf" <<'G'
info threads
break *__arm64_sys_sethostname
continue
backtrace
stepi
stepi
printf "two steps: %d\n", $pc - (unsigned long)&__arm64_sys_sethostname
continue
continue
printf "again at %d\n", $pc == (unsigned long)&__arm64_sys_sethostname
delete
hbreak *__arm64_sys_sethostname
continue
printf "in hardware at %d\n", $pc == (unsigned long)&__arm64_sys_sethostname
delete
hbreak *cpu_do_idle
continue
backtrace
delete
shell (sleep 1; kill -INT $PPID) &
continue
info registers TTBR1_EL1 vg
thread apply all backtrace
G
check "linux_cpus_are_threads" matches 'Thread 2 \(vCPU 1, EL'
# Without the kernel's unwind tables GDB gets no further than the prologues that it understands.
check "a_backtrace_of_linux_has_names" matches '^#1 .* in invoke_syscall '
check "linux_steps" says "two steps: 8"
check "linux_stops_at_a_breakpoint_again" says "again at 1"
check "linux_stops_at_a_hardware_breakpoint" says "in hardware at 1"
check "an_idle_cpu_has_a_backtrace" matches '^#2 .* in default_idle_call '
check "system_registers_are_shown" matches '^TTBR1_EL1 +0x'
names_told() { grep -ac '^guest-' "$work/console" || true; }
before=$(names_told)
more_names() { [[ $(names_told) -gt $before ]]; }
waits 60 more_names || true
kill "$writer"
check "linux_goes_on_afterwards" more_names
check "linux_has_nothing_to_complain_of" bash -c "! grep -aqE 'Oops|BUG|WARNING|stall' '$work/console'"
kill "$guest"
wait "$guest" || true
exit $failed
