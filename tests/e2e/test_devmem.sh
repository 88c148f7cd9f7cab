#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# User programs of a Linux guest on a device: SIMD, pairs, memcpy, and a hole.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"

aarch64-linux-gnu-gcc -std=gnu11 -O2 -ffreestanding -fno-builtin -fno-tree-loop-distribute-patterns \
    -nostdlib -static -fno-pic -no-pie -fno-stack-protector -Wall -Wextra -Werror -s \
    -Wl,--build-id=none -I "$root" -o "$work/devmem" "$root/tests/e2e/devmem.c"

# in_guest ARGUMENT...: the program, which travels in the command.
in_guest() {
    got=0
    timeout -k 5 "$(limit 120)" "$root/tools/guest-exec" --timeout "$(limit 90)" --vmm "$vmm" -P "$TESTDEV_DIR" \
        --device testdev -- sh -c 'echo "$0" | base64 -d >/devmem && chmod 755 /devmem && exec /devmem "$@"' \
        "$(base64 -w0 "$work/devmem")" "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
}

in_guest
if [[ $got -eq 0 && $(<"$work/out") == 'all good' ]]; then
    ok user_programs_copy_to_and_from_a_device
else
    bad user_programs_copy_to_and_from_a_device "status $got" "$(cat "$work/out" "$work/err")"
fi

in_guest hole
if [[ $got -eq 135 ]]; then # SIGBUS
    ok a_read_where_no_device_is_is_a_bus_error
else
    bad a_read_where_no_device_is_is_a_bus_error "status $got" "$(cat "$work/out" "$work/err")"
fi
exit "$failed"
