#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Usage: tests/e2e/test_arm_packages.sh [PACKAGES]
#
# The Debian packages as on an Arm computer of their user: an emulated one with an installed Debian, where apt
# installs them from local files, DKMS builds the module, udev gives it to its group, guests run, the next version
# replaces the packages below them, and a purge leaves nothing. By hand, as it takes ten minutes and more. PACKAGES
# is a folder with ringvisor_*_arm64.deb and ringvisor-dkms_*_all.deb, which are built otherwise.
set -euo pipefail
export RINGVISOR_VMM=${RINGVISOR_VMM:-none}
. "$(dirname -- "$0")/lib.sh"
make_payloads
# It never ends, and takes no time from the rest.
printf '.global _start\n_start: wfi\n b _start\n' >"$work/idle.s"
aarch64-linux-gnu-gcc -nostdlib -static -Wl,--build-id=none -Wl,-n -Wl,-Ttext=0x40080000 -o "$work/idle.elf" "$work/idle.s"

packages=${1-}
if [[ ! $packages ]]; then
    packages=$work/packages
    export DEB_BUILD_OPTIONS='noautodbgsym'
    "$root/tools/build-packages" --in "$work/here" >/dev/null
    "$root/tools/build-packages" --cross arm64 --in "$work/arm64" >/dev/null
    mkdir "$packages"
    mv "$work"/here/ringvisor-dkms_*.deb "$work"/arm64/ringvisor_*.deb "$packages"
fi
# The same packages as of a later version, into the folder $work/test/next.
next() {
    local deb tree=$work/next version
    for deb in "$work"/test/*.deb; do
        version=$(dpkg-deb -f "$deb" Version)
        rm -rf "$tree"
        dpkg-deb -R "$deb" "$tree"
        if [[ -d $tree/usr/src/ringvisor-$version ]]; then
            mv "$tree/usr/src/ringvisor-$version" "$tree/usr/src/ringvisor-$version.1"
            sed -i "s/^\(PACKAGE_VERSION=\).*/\1\"$version.1\"/" "$tree/usr/src/ringvisor-$version.1/dkms.conf"
        fi
        sed -i "s/^Version: .*/&.1/; s/^DKMS_VERSION=.*/&.1/" "$tree"/DEBIAN/{control,p*}
        rm "$tree/DEBIAN/md5sums"
        dpkg-deb --root-owner-group -b "$tree" "$work/test/next" >/dev/null
    done
}
mkdir -p "$work/test/next"
cp "$packages"/ringvisor_*_arm64.deb "$packages"/ringvisor-dkms_*_all.deb "$work/test"
next
debian=$("$root/tools/arm-debian" "$work"/test/*.deb linux-headers-arm64)
guest=$("$root/tools/guest-image" 2>/dev/null)
cp "$work"/{off,idle}.elf "$guest/kernel" "$guest/initrd" "$work/test"
cp "$(dirname -- "$0")/in_arm_packages.sh" "$work/test/inside"
# The kernel starts what the unit's name is told by its command line.
cat >"$work/test/packages.service" <<'UNIT'
[Unit]
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate
[Service]
Type=oneshot
ExecStart=/bin/bash /test/inside
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyAMA0
UNIT

qemu-img create -q -f qcow2 -F qcow2 -b "$debian/disk.qcow2" "$work/disk.qcow2"
start=$SECONDS
timeout -k 5 7200 "$root/tools/lib/plain-qemu" run --el2 -M qemu,cpu=cortex-a72 -m 2G -c 4 \
    -k "$debian/kernel" -i "$debian/initrd" -p 'console=ttyAMA0 quiet nowatchdog systemd.mask=serial-getty@ttyAMA0.service unit=packages.service' \
    --disk "$work/disk.qcow2,format=qcow2,cache=unsafe" --folder "$work/test,tag=test" \
    </dev/null 2>"$work/err" | stdbuf -oL tr -d '\r' | tee "$work/out" | grep --line-buffered -E '^(ok|FAILED|#|  )' || true
echo "# the computer: $((SECONDS - start)) s"
got=0
check all_inside_was_done matches '^the end$'
check nothing_inside_has_failed eval '! matches "^FAILED"'
exit $failed
