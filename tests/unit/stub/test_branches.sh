#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# test_branches.sh OBJDUMP STUB: each way from a guest into the stub replaces the history of
# branches before it branches by anything that the guest could have trained (Spectre-BHB).
set -euo pipefail
"$1" -d "$2" | awk -F'\t' '
    /^[0-9a-f]+ <.*>:$/ { inside = $0 ~ /<(exit|host)_save>:/; at = 0; ways += inside }
    inside && NF > 2 {
        at++
        op[at] = $3
        if (at == 6 && op[1] op[2] op[3] op[4] op[5] op[6] == "movbsubsb.nedsbisb")
            good++
    }
    END {
        if (ways != 2 || good != ways) { print "FAILED: " good + 0 " of " ways " ways"; exit 1 }
        print "ok: " ways
    }'
