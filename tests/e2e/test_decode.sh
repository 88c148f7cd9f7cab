#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# `vmm decode`: options, lines, JSON, and what it says to bad input.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"

# decode NAME STATUS [ARGUMENT...]: with $work/in as standard input.
decode() {
    name=$1
    local want=$2
    shift 2
    got=0
    timeout -k 5 60 "$vmm" decode "$@" <"$work/in" >"$work/out" 2>"$work/err" || got=$?
    if [[ $got -eq $want ]]; then
        ok "$name: status $want"
    else
        bad "$name: status $got, wanted $want" "$(head -c 1000 "$work/err")"
    fi
}

# says out|err WORDS: blanks are layout.
says() {
    if tr -s ' ' <"$work/$1" | finds -F -- "$2"; then
        ok "$name: $2"
    else
        bad "$name: std$1 has no '$2':" "$(head -c 2000 "$work/$1")"
    fi
}

: >"$work/in"
decode mmio_read 0 --esr 0x93980005 --far ffff800080010004 --ipa 8000004 --pc 0xFFFF800080801234 \
    --pstate 604000c5 --insn b9400438
says out 'data abort, 4-byte read into w24, GICv3 distributor + 0x4, GICD_TYPER'
says out 'DFSC 0b000101 translation fault, level 1'
says out 'insn b9400438 ldr w24, [x1, #4]'
says out 'PSTATE 0x604000c5, EL1h'
says out 'vmm emulate'

# Exits of a boot of Debian's kernel, and what a person is to read of each: two lines here.
ten=(
    '93400005 ffff800008035030 9000030 ffffa32ea54030b8 804000c5'
    'data abort, 2-byte read into w0, UART (PL011) + 0x30, UARTCR|emulate the device there gives the value'
    '93550045 ffff800008035024 9000024 ffffa32ea5404e10 804000c5'
    'data abort, 2-byte write of w21, UART (PL011) + 0x24, UARTIBRD|emulate the device there gets the write'
    '93c08045 ffff800008016100 8006100 ffffa32ea5fc3264 800000c5'
    'data abort, 8-byte write of x0, GICv3 distributor + 0x6100, GICD_IROUTER32|emulate the device'
    '93820005 ffff800008010000 8000000 ffffa32ea5283b44 600000c5'
    'data abort, 4-byte read into w2, GICv3 distributor + 0x0, GICD_CTLR|emulate the device'
    '939f0045 ffff800008010000 8000000 ffffa32ea5fc30c0 600000c5'
    'data abort, 4-byte write of wzr, GICv3 distributor + 0x0, GICD_CTLR|emulate the device'
    '93860045 ffff800008010384 8000384 ffffa32ea5282d64 600000c5'
    'data abort, 4-byte write of w6, GICv3 distributor + 0x384, GICD_ICACTIVER1|emulate the device'
    '93d48005 ffff800008040008 80a0008 ffffa32ea5283c54 400000c5'
    'data abort, 8-byte read into x20, GICv3 redistributor 0 + 0x8, GICR_TYPER|emulate the device'
    '6230000d 0 0 ffffa32ea5fd50d0 c5'
    'system register access, read of ID_AA64ISAR0_EL1 into x0|emulate an ID register reads as'
    '6232026f 0 0 ffffa32ea4c24aa4 600000c5'
    'system register access, read of ID_AA64MMFR1_EL1 into x19|emulate an ID register reads as'
    '5a000000 0 0 ffffa32ea4c280ac 600000c5'
    'HVC, #0|emulate PSCI or SMCCC call; x0 names the function and takes its result'
)
for ((n = 0; n < ${#ten[@]}; n += 2)); do
    printf '%s\n' "${ten[n]}" >"$work/in"
    decode "boot_exit_${ten[n]%% *}" 0
    says out "ESR 0x${ten[n]%% *}: ${ten[n + 1]%%|*}"
    says out "vmm ${ten[n + 1]#*|}"
done
says out 'IPA 0x0, which this exit does not set'
says out 'behind the instruction'

# A permission fault has no valid IPA.
: >"$work/in"
decode permission_fault 0 --esr 9380004f --far 4000000 --ipa dead000
says out 'IPA 0xdead000, which this exit does not set'
decode table_in_a_hole 0 --esr 92000085 --far ffff800080010004 --ipa e000008
says out 'inject data abort, external abort on a table walk: the tables are not in RAM; a walk of its tables tells the level'

: >"$work/in"
decode nothing_in_nothing_out 0
[[ ! -s $work/out && ! -s $work/err ]] || bad 'nothing in, but something out'

cat >"$work/in" <<'L'
# a comment, then an empty line

0x93820046 - 0x9000000    # the console
zebra
5a000000
93820046 0 0 0 100000000
1 2 3 4 5 6 7
623a3256
L
printf '1%0600d\n06000000' 0 >>"$work/in"
decode bad_lines_do_not_hide_good_ones 2
says err "line 4: 'zebra' is no ESR"
says err "line 6: '100000000' is no PSTATE"
says err "line 7: '7': there are 6 values"
says err 'line 9: longer than'
says out 'UARTDR'
says out 'HVC, #0'
says out 'write of ICC_SGI1R_EL1 from x18'
says out ': WFI'
[[ $(grep -c '^ESR' "$work/out") -eq 4 ]] || bad 'not four exits'

printf 'ffffffffffffffff ffffffffffffffff ffffffffffffffff\n5a000000\n' >"$work/in"
decode json_has_a_valid_object_a_line 0 --json
if python3 - "$work/out" <<'P'; then ok json_parses; else bad json_parses "$(cat "$work/out")"; fi
import json, sys
a, b = [json.loads(line) for line in open(sys.argv[1])]
assert a["far"] == "0xffffffffffffffff" and a["fields"]["EC"]["value"] == 63
assert b["kind"] == "HVC" and b["action"] == "emulate" and "ipa" not in b
assert b["fields"]["imm16"] == {"value": 0, "text": "SMC Calling Convention"}
P

: >"$work/in"
for value in '' 0x -1 +1 ' 1' 0x0x1 1g 10000000000000000; do
    decode "refuses_the_esr_'$value'" 2 --esr "$value"
    says err 'is no ESR'
done
decode refuses_values_without_an_esr 2 --far 1
says err 'no ESR'
decode refuses_an_argument 2 93980005
says err "argument '93980005'"
decode refuses_an_unknown_option 2 --frobnicate

# 3,000 lines of noise: all are decoded, and nothing is on stderr.
head -c 48000 /dev/urandom | od -An -v -tx8 -w16 >"$work/in"
decode takes_noise 0 --json
[[ $(wc -l <"$work/out") -eq 3000 && ! -s $work/err ]] || bad 'noise: not 3000 clean lines'

got=0
"$vmm" decode --esr 0 >/dev/full 2>"$work/err" || got=$?
[[ $got -eq 1 ]] && ok a_full_disk_is_an_error || bad a_full_disk_is_an_error "status $got"
exit "$failed"
