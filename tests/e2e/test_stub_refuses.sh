#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Machines that the stub cannot run on: it says why, and the vmm tells it in words. QEMU is
# started by a program that changes what the vmm asked for.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
make_payloads

# machine NAME FROM TO...: a QEMU whose arguments have TO where the vmm wrote FROM.
machine() {
    local name=$1
    shift
    {
        printf '#!/bin/bash\nargs=()\nfor arg; do\n'
        while [[ $# -gt 0 ]]; do
            printf '    arg=${arg//%q/%q}\n' "$1" "$2"
            shift 2
        done
        printf '    args+=("$arg")\ndone\nexec qemu-system-aarch64 "${args[@]}"\n'
    } >"$work/$name"
    chmod +x "$work/$name"
}

machine as-it-is gic-version=3 gic-version=3
machine gicv2 gic-version=3,its=off gic-version=2
machine el1 virtualization=on virtualization=off

run 60 run -M "qemu,path=$work/as-it-is" -k "$work/off.elf"
[[ $got -eq 0 ]] && ok stub_starts_on_the_machine_as_it_is ||
    bad stub_starts_on_the_machine_as_it_is "status $got" "$(head -c 1000 "$work/err")"

for cpu in max cortex-a72; do
    refused "gicv2_is_refused_with_its_reason_on_$cpu" 1 'the machine has no GICv3' \
        -M "qemu,path=$work/gicv2,cpu=$cpu" -k "$work/loop.elf"
done
refused two_cpus_with_gicv2_are_refused 1 'the machine has no GICv3' \
    -M "qemu,path=$work/gicv2" -c 2 -k "$work/loop.elf"
refused el1_is_refused_with_its_reason 1 'it was not started at EL2' \
    -M "qemu,path=$work/el1" -k "$work/loop.elf"

exit $failed
