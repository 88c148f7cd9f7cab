#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A guest does not notice that its vmm is killed, but for the pause.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
image=$("$root/tools/guest-image")

truncate -s 64M "$work/disk"
python3 "$root/tests/e2e/outlive.py" 25 "$vmm" run -k "$image/kernel" -i "$image/initrd" \
    -p console=ttyAMA0 --rng --disk "$work/disk,format=raw" -c 2
