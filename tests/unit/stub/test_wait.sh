#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# test_wait.sh OBJDUMP STUB: the stub of the machine `linux` waits for a command in WFE, after a load that has
# the monitor watch it, and the counter's event stream, which ends that wait, is on: CNTHCTL_EL2.EVNTEN.
set -euo pipefail
"$1" -d "$2" | awk -F'\t' '
    { op = $3; if (NF > 3) op = op " " $4; sub(/ *\/\/.*/, "", op); code[++n] = op }
    END {
        for (i = 1; i <= n; i++) {
            if (code[i] == "wfe") {
                waits++
                for (j = i - 1; j > i - 8 && j > 0 && code[j] !~ /^ldaxr /; j--) {}
                watched += code[j] ~ /^ldaxr /
            }
            if (code[i] ~ /^msr cnthctl_el2, x/) {
                register = substr(code[i], 18)
                for (j = i - 1; j > i - 12 && code[j] !~ "^mov " register ", #0x57"; j--) {}
                streams += code[j] ~ "^mov " register ", #0x57"
            }
        }
        if (!waits || watched != waits) { print "FAILED: " watched + 0 " of " waits + 0 " WFEs have a load before them"; exit 1 }
        if (!streams) { print "FAILED: no event stream"; exit 1 }
        print "ok: " waits
    }'
