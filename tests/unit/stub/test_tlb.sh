#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# test_tlb.sh OBJDUMP STUB: in the stub as it was built, each broadcast TLB invalidation is
# done twice, and each is followed by a DSB (errata 1286807, 2441007, 2441009).
set -euo pipefail
"$1" -d "$2" | awk -F'\t' '
    { op = $3; if (NF > 3) op = op " " $4; sub(/ *\/\/.*/, "", op); code[++n] = op }
    END {
        for (i = 1; i <= n; i++) {
            if (code[i] !~ /^tlbi .*is$/)
                continue
            found++
            if (code[i + 1] != "dsb ish" || code[i + 2] != code[i] || code[i + 3] != "dsb ish") {
                print "FAILED: alone: " code[i] ", " code[i + 1] ", " code[i + 2]
                exit 1
            }
            i += 3
        }
        if (!found) { print "FAILED: no broadcast TLBI at all"; exit 1 }
        print "ok: " found
    }'
