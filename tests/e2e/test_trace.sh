#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Usage: test_trace.sh PAYLOAD SMP-PAYLOAD
# Traces of a bare-metal guest that makes many exits: as text with filters, and for Perfetto,
# also of a vmm that is killed.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
payload=$1 smp=$2
traced() { run 30 run -k "$payload" --no-reboot "$@"; }

# The words of each line, and that there is nothing but such lines.
all_lines() { [[ -s $1 ]] && ! grep -qvE -- "$2" "$1"; }
lacks() { [[ $got -eq 0 && -s $2 ]] && ! grep -qF -- "$1" "$2"; }

# json FILE EXPRESSION: the expression holds for its `events`; `named` has those of a phase and name.
json() {
    python3 - "$1" "$2" <<'P'
import json, sys
events = json.load(open(sys.argv[1]))
def named(phase, name):
    return [e for e in events if e["ph"] == phase and e["name"] == name]
tracks = {(e["pid"], e["args"]["name"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
groups = {e["args"]["name"]: e["pid"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
def nest():
    """On each track a slice lies inside of another one, or beside it: Perfetto drops others."""
    tracks = {}
    for e in events:
        if e["ph"] == "X":
            begin = round(e["ts"] * 1000)
            tracks.setdefault((e["pid"], e["tid"]), []).append((begin, -begin - round(e["dur"] * 1000)))
    for slices in tracks.values():
        ends = []
        for begin, end in sorted(slices):
            while ends and ends[-1] <= begin:
                ends.pop()
            if ends and -end > ends[-1]:
                return False
            ends.append(-end)
    return bool(tracks)
sys.exit(not eval(sys.argv[2]))
P
}

traced --trace "$work/text" --perfetto "$work/json"
check the_guest_runs_as_without_a_trace test "$got" -eq 0
check each_line_has_a_time_an_exit_and_its_answer \
    all_lines "$work/text" '^ +[0-9]+\.[0-9]{9} vCPU 0 +[0-9]+ ns  (exit|posted) .*; pc 0x[0-9a-f]+; by '
check a_device_answers matches 'data abort, .* UART \(PL011\).*; by pl011@9000000' "$work/text"
check the_interrupt_controller_answers matches 'GICv3 distributor.*; by gicd: x[0-9]+ = 0x' "$work/text"
check perfetto_has_all_tracks json "$work/json" \
    'set(groups) == {"vCPUs", "pCPUs", "vmm", "devices"} and {(groups["vCPUs"], "vCPU 0"),
     (groups["pCPUs"], "pCPU 0"), (groups["vmm"], "loop"), (groups["devices"], "pl011@9000000")} <= tracks'
check perfetto_has_exits_and_what_ran_between json "$work/json" \
    'named("X", "data abort") and named("X", "vCPU 0") and named("i", "event SYNC") and named("X", "read")'
check perfetto_has_slices_that_nest json "$work/json" 'nest()'
traced --trace "$work/text,kind=exit" --perfetto "$work/json,kind=exit"
check both_have_the_same_exits json "$work/json" \
    "len([e for e in events if e['ph'] == 'X' and e['pid'] == groups['vCPUs']]) == $(wc -l <"$work/text") > 100"

traced --trace "$work/text,device=gicd"
check a_filter_by_device all_lines "$work/text" 'by gicd'
traced --trace "$work/text,address=9000000-9000fff,kind=exit"
check a_filter_by_address all_lines "$work/text" ' exit .*UART'
traced --trace "$work/text,kind=command+kick+hvc"
check a_filter_by_kind all_lines "$work/text" ' (command [A-Z_]+,|kick|exit    HVC)'
check the_calls_have_names matches 'exit    HVC, #0, PSCI_SYSTEM_OFF; .*; by firmware: no reply' "$work/text"
traced --trace "$work/text,vcpu=1"
check a_filter_by_vcpu test ! -s "$work/text"

run 60 run -k "$smp" -c 2 --trace "$work/text,vcpu=1"
check another_vcpu all_lines "$work/text" ' vCPU 1 '

refused an_unknown_filter 1 "trace filter 'colour'" -k "$payload" --trace "$work/text,colour=red"
refused a_trace_that_cannot_be_written 1 "/nonexistent/x" -k "$payload" --trace /nonexistent/x

# Of a guest that runs: it reads a register of the GIC and writes one of the UART for ever.
export RINGVISOR_RUN_DIR=$work/run
make_payloads
"$vmm" run -k "$work/chat.elf" --name chat >"$work/console" 2>"$work/messages" </dev/null &
pid=$!
waits 60 test -S "$work/run/chat.sock" || true
run 20 trace chat --count 50
check a_trace_of_a_guest_that_runs all_lines "$work/out" '^ +[0-9]+\.[0-9]{9} vCPU 0 +[0-9]+ ns  exit .*; pc 0x[0-9a-f]+; by (pl011@9000000|gicd)'
check a_write_is_told_with_its_value says 'UARTCR = 0x301; pc'
check it_is_as_long_as_it_was_asked_for test "$(wc -l <"$work/out")" -eq 50
check it_tells_how_many_were_lost complains '50 records, 0 lost'
run 20 trace chat --filter kind=data-abort,address=8000000 -n 10
check a_filter_of_such_a_trace all_lines "$work/out" 'GICD_CTLR; .* = 0x'
(sleep 2; kill -9 "$("$vmm" ps --json | grep -oE '"worker": *[0-9]+' | grep -oE '[0-9]+')") &
run 20 trace chat --perfetto "$work/json"
check a_trace_ends_with_the_vmm_and_is_whole json "$work/json" \
    'named("X", "data abort") and named("i", "event SYNC") and named("X", "write")'
run 20 trace chat --count 5
check another_vmm_is_traced_as_well test "$(wc -l <"$work/out")" -eq 5
run 20 kill chat
check it_ends_when_it_is_told_to test "$got" -eq 0
[[ $got -eq 0 ]] || kill -KILL $pid
wait $pid 2>/dev/null || true

# Killed in the middle of it.
"$vmm" run -k "$work/loop.elf" --perfetto "$work/json" >"$work/said" 2>&1 </dev/null &
pid=$!
waits 60 says U "$work/said" || true
kill -KILL $pid
wait $pid 2>/dev/null || true
check a_file_of_a_killed_vmm_can_be_read json "$work/json" 'named("X", "data abort") or named("X", "posted write")'
exit $failed
