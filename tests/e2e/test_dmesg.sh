#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Warnings and errors in the guest's log that plain QEMU's virt does not have with the same kernel.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
"$root/tests/e2e/dmesg-compare" "$vmm" >"$work/out" 2>&1 &&
    ok the_log_has_no_warning_of_its_own ||
    bad the_log_has_no_warning_of_its_own "$(cat "$work/out")"
exit $failed
