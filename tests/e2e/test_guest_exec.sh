#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Usage: tests/e2e/test_guest_exec.sh
#
# What tools/guest-exec promises, on the vmm that $RINGVISOR_VMM names.
set -euo pipefail
run=$(cd -- "$(dirname -- "$0")/../.." && pwd)/tools/guest-exec
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
patience=${RINGVISOR_PATIENCE:-1}

# expect NAME STATUS: as `last` ran it, with $work/want on stdout.
expect() {
    local ok=true
    [[ $got -eq $2 ]] || ok=false
    cmp -s "$work/want" "$work/out" || ok=false
    if $ok; then
        echo "ok: $1"
    else
        echo "FAILED: $1: status $got, expected $2; stdout and stderr:"
        head -c 2000 "$work/out" | cat -v
        head -c 6000 "$work/err"
        failed=1
    fi
}

last() {
    got=0
    "$run" --timeout "$((${limit:-90} * patience))" "$@" >"$work/out" 2>"$work/err" || got=$?
}

printf 'aarch64\n' >"$work/want"
last -- sh -c 'uname -m; exit 7'
expect the_status_and_output_are_the_commands 7

# Every byte that an argument can have, as one argument, between an empty one and a star.
bytes=$(for i in $(seq 1 255); do printf "\\x$(printf %x "$i")"; done; printf .)
printf '[%s]' '' "$bytes" '*' "it's" >"$work/want"
last -- printf '[%s]' '' "$bytes" '*' "it's"
expect arguments_arrive_unchanged 0

# What a terminal, or the search for markers and kernel messages, might change.
stuff='printf "a\r\nb\0\001\377\tguest-exec-\nguest-exec-0-end-5\n[    1.000000] no panic\n[ 1"'
printf "a\r\nb\0\001\377\tguest-exec-\nguest-exec-0-end-5\n[    1.000000] no panic\n[ 1" >"$work/want"
last -- sh -c "$stuff >&2"
expect output_is_byte_exact_and_has_stderr 0

: >"$work/want"
last -- sh -c 'cat; kill -KILL $$' </dev/null
expect a_command_that_a_signal_killed_has_128_and_the_signal 137

printf 'so far\n' >"$work/want"
last -- sh -c 'echo so far; echo c >/proc/sysrq-trigger'
expect a_panic_is_126 126
grep -q 'Kernel panic' "$work/err" || { echo "FAILED: a_panic_is_shown"; failed=1; }

last -- sh -c 'echo so far; poweroff -f'
expect a_power_off_without_a_status_is_126 126

printf 'ran\n' >"$work/want"
last -p "$(printf 'x%.0s' $(seq 2100))" -- echo ran
expect a_long_command_line_still_boots 0
grep -q 'cuts a command line after 2047 bytes' "$work/err" ||
    { echo "FAILED: a_command_line_that_is_cut_is_told"; failed=1; }

printf 'so far\n' >"$work/want"
limit=20 last -- sh -c 'echo so far; sleep 1000'
expect the_time_limit_is_124 124

: >"$work/want"
last --vmm /nonexistent -- true
expect no_vmm_is_125 125
last
expect no_command_is_125 125
exit "$failed"
