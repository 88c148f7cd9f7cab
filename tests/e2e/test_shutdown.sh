#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# How a guest is ended by its board: the power button with Debian's gpio_keys, SIGTERM and
# its grace time, the watchdog with Debian's sp805_wdt, a panic notification.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
unset RINGVISOR_GUEST_KERNEL
cloud=$("$root/tools/guest-image" 2>/dev/null)
# The cloud kernel has no driver for keys.
full=$(RINGVISOR_GUEST_KERNEL=linux-image-arm64 "$root/tools/guest-image" 2>/dev/null)

# boot IMAGE OPTION...: talk() to a guest with this image.
boot() {
    local image=$1
    shift
    talk 120 -k "$image/kernel" -i "$image/initrd" -p 'console=ttyAMA0 panic=-1' "$@"
}

# A guest that listens: it sees KEY_POWER go down and up, and shuts itself down. timeout(1)
# sends its signal twice, to the vmm and to the vmm's group: that does not end it at once.
boot "$full" <<'S'
@ringvisor:
echo is""ready; head -c 96 /dev/input/event0 | od -An -v -tx2 -w24; poweroff -f
@isready
!TERM
~0.1
!TERM
S
check sigterm_presses_the_power_button test "$got" -eq 0
# struct input_event: type EV_KEY, code 116, value 1, then 0.
check the_driver_sees_the_key_go_down grep -qE '0001 0074 0001 0000' "$work/console"
check the_driver_sees_the_key_come_up grep -qE '0001 0074 0000 0000' "$work/console"

# Something listens, and nobody does anything: ended after the grace time, if there is one.
cat >"$work/listen.s" <<'S'
        .global _start
_start: ldr x1, =0x09030000     // PL061: the interrupt of the button's line
        mov w2, #8
        str w2, [x1, #0x410]
        ldr x1, =0x09000000
        mov w2, #'U'
        strb w2, [x1]
1:      b 1b
S
aarch64-linux-gnu-gcc -nostdlib -static -Wl,--build-id=none -Wl,-n -Wl,-Ttext=0x40080000 \
    -o "$work/listen.elf" "$work/listen.s"
terminate() { # OPTION...: the payload gets one SIGTERM
    rm -f "$work/console"
    "$vmm" run -k "$work/listen.elf" -m 64M "$@" >"$work/console" 2>"$work/err" </dev/null &
    waits 60 grep -qs U "$work/console" || true
    kill -TERM $!
    got=0
    wait $! || got=$?
}
terminate --grace 2
check a_guest_that_does_not_shut_down_is_ended test "$got" -eq 143
check that_it_was_not_its_own_doing_is_said complains 'has not shut down within 2 s'
terminate --grace 0
check no_grace_time_ends_it_at_once test "$got" -eq 143
not_waited_for() { [[ $got -eq 143 ]] && ! complains 'shut down'; }
check it_was_not_waited_for not_waited_for

# The second signal ends it. Until then it goes on, and wakes up if it was suspended.
boot "$full" --grace 1000 <<'S'
@ringvisor:
head -c 24 /dev/input/event0 | od -An -v -tx2 -w24 & sleep 1; echo mem >/sys/power/state; echo still-""there
@Suspending console
~2
!TERM
@still-there
~1
!TERM
S
check the_button_wakes_a_suspended_guest says still-there "$work/console"
check which_sees_the_key grep -qE '0001 0074 0001 0000' "$work/console"
check a_second_sigterm_ends_it test "$got" -eq 143
boot "$cloud" --grace 1000 <<'S'
@ringvisor:
!PWR
!TERM
S
check a_guest_that_does_not_listen_is_ended_at_once test "$got" -eq 143
check that_nobody_listens_is_said complains 'SIGPWR: the guest has no driver'

# The watchdog: served for longer than its time, then not any more.
boot "$cloud" --watchdog --no-reboot <<'S'
@ringvisor:
watchdog -F -t 1 -T 4 /dev/watchdog & sleep 9; echo is""served; kill -STOP $!; echo stopped; sleep 60; echo too""late
S
check a_watchdog_that_is_served_does_nothing says isserved "$work/console"
check a_watchdog_that_is_not_resets_the_guest test "$got" -eq 4
in_time() { says stopped "$work/console" && ! says toolate "$work/console"; }
check it_does_so_in_time in_time
check what_has_reset_the_guest_is_said complains 'watchdog has expired: it is reset'
boot "$cloud" --watchdog=action=poweroff <<'S'
@ringvisor:
watchdog -F -t 100 -T 2 /dev/watchdog
S
check a_watchdog_can_switch_off test "$got" -eq 0

# Debian's kernels have no driver for the notifier: what such a driver does, by hand.
boot "$cloud" --device pvpanic <<'S'
@ringvisor:
devmem 0x0c000000 8; devmem 0x0c000000 8 2; echo goes-""on; devmem 0x0c000000 8 1; sleep 100
S
check the_notifier_knows_both_events says 0x03 "$work/console"
check a_guest_with_a_crash_kernel_goes_on says goes-on "$work/console"
check a_panic_is_an_exit_status test "$got" -eq 3
check the_panic_is_said complains 'panicked'
exit "$failed"
