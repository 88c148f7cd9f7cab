#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A guest does not notice that its vmm is killed, or replaced by another one, but for the pause.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
export RINGVISOR_RUN_DIR=$work/run
image=$("$root/tools/guest-image")
programs=$("$root/tools/guest-programs" e2fsprogs fio util-linux)
mkdir -m 700 "$RINGVISOR_RUN_DIR"

# tree NAME [SED-SCRIPT [FUNCTION]]: a vmm of its own in $work/NAME, with its plugins. One is the
# example, with changes.
tree() {
    local source=$work/$1.c built
    built=$(dirname "$(dirname "$(realpath "$vmm")")")
    mkdir -p "$work/$1/vmm" "$work/$1/devices"
    cp "$vmm" "$work/$1/vmm/vmm"
    ln -s "$built/el2stub" "$work/$1/el2stub"
    ln -s "$built"/devices/*.so "$work/$1/devices"
    sed -e "${2-}" -e "/^const struct rv_device_class/i /* changed */ ${3-}" \
        "$root/docs/plugin-example/countdown.c" >"$source"
    cc -shared -fPIC -I "$root/devices/include" -o "$work/$1/devices/countdown.so" "$source"
}
tree old
tree new
tree missing && rm "$work/missing/devices/virtio-blk.so"
tree newer 's/\.state_version = 1/.state_version = 2/'
tree hooked 's/\.state_version = 1,/.state_version = 2, .upgrade = upgrade,/' \
    'static int upgrade(struct rv_instance *i, const struct rv_vmm_ops *o, const struct rv_state_upgrade *u) { __builtin_memcpy(u->to, u->from, u->to_size); return 0; }'
tree fails 's/\.create = countdown_create/.create = wrong/' \
    'static int wrong(struct rv_instance *i, const struct rv_vmm_ops *o, void *s, uint32_t f, void **d) { return countdown_create(i, o, s, f, d) - 5; }'
echo 'int pause(void); int main(void) { return pause(); }' | cc -x c -o "$work/hangs" -
echo 'exit 0' >"$work/script" && chmod +x "$work/script"

truncate -s 64M "$work/disk"
qemu-img create -q -f qcow2 "$work/disk.qcow2" 64M
# OUTLIVE_KILLS: how often the worker is killed. OUTLIVE_DISKS=1: only the raw disk, which needs no helper.
disks=(--disk "$work/disk,format=raw" --disk "$work/disk.qcow2")
[[ ${OUTLIVE_DISKS:-2} == 2 ]] || disks=("${disks[@]:0:2}")
disks+=(--disk "$programs,ro,serial=programs")
net=() in_namespace=()
if [[ $(id -u) == 0 ]] && unshare -n test -c /dev/net/tun; then
    net=(--net tap,ifname=rvoutlive) in_namespace=(unshare -n)
else
    echo 'note: a tap is only tried as root'
fi
"${in_namespace[@]}" python3 "$root/tests/e2e/outlive.py" "${OUTLIVE_KILLS:-25}" "$work" run --name outlive \
    -k "$image/kernel" -i "$image/initrd" -p console=ttyAMA0 --rng "${disks[@]}" "${net[@]}" -c 2 --device countdown \
    --device "virtio-console,chardev=file:$work/flood" \
    --perfetto "$work/trace,device=virtio-rng"
