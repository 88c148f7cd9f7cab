#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The Debian packages, built from this tree, in a copy-on-write copy of this system that a
# systemd of its own runs: installed by apt, used as a service, and removed. DKMS builds the
# module for two kernels. Who is not root sees only that they build.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
make_payloads
cp "$(dirname -- "$0")/in_packages.sh" "$work/inside"

# Without optimization, since that is a third of the time: the code is what other tests are for.
DEB_BUILD_OPTIONS='noopt noautodbgsym' "$root/tools/build-packages" --in "$work/packages" >"$work/list" 2>"$work/err" ||
    { bad the_packages_build "$(tail -n 30 "$work/err")"; exit 1; }
ok the_packages_build
# There is no public address of the maintainers yet.
got=0
lintian --allow-root --fail-on error,warning --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog \
    "$work"/packages/*.changes >"$work/out" 2>&1 || got=$?
check lintian_has_no_complaint test $got -eq 0

# The tools that put Debian onto a disk unpack it as root, or as what fakeroot takes for root.
functions=$(RINGVISOR_CACHE=$work bash -c '. "$0/common.sh"; . "$0/guest-apt.sh"; declare -f as_root die say' "$root/tools/lib")
user=()
[[ $(id -u) -ne 0 ]] || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
"${user[@]}" bash -euo pipefail -c "$functions; unpack() { echo \"user \$(id -u)\"; }; as_root unpack" >"$work/out" 2>&1 || true
check who_is_not_root_unpacks_as_root says 'user 0'

[[ $(id -u) -eq 0 ]] || exit $failed

# Its own mounts, which go with the process; the upper folder is all that it has changed.
headers=()
for kernel in linux-image-arm64 linux-image-6.12-arm64; do
    image=$(RINGVISOR_GUEST_KERNEL=$kernel "$root/tools/guest-image" 2>>"$work/err")
    release=$(<"$image/release")
    headers+=("$release=$("$root/tools/kernel-headers" "$release" 2>>"$work/err")")
done
rm "$work/out"
export work releases="${headers[*]}"
got=0
unshare --mount bash -euc '
    mount -t tmpfs -o size=2g none /mnt
    mkdir /mnt/up /mnt/work /mnt/root /mnt/up/test
    cp "$work"/*.elf "$work"/packages/*.deb "$work/inside" /mnt/up/test/
    printf "%s\n" $releases >/mnt/up/test/releases
    mkdir -p /mnt/up/etc/systemd/system
    cat >/mnt/up/etc/systemd/system/packages.service <<UNIT
[Unit]
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
ExecStart=/bin/bash /test/inside
StandardOutput=file:/test/out
StandardError=file:/test/err
UNIT
    mount -t overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work none /mnt/root
    binds=()
    for release in $releases; do
        folder=${release#*=}
        binds+=("--bind-ro=${folder%/usr/src/*}")
    done
    timeout -k 5 170 systemd-nspawn --quiet --register=no --keep-unit --private-network --link-journal=no \
        --console=pipe --directory=/mnt/root "${binds[@]}" --boot -- --unit=packages.service </dev/null >"$work/boot" 2>&1 || true
    cp /mnt/up/test/out /mnt/up/test/err "$work/"
    # What the packages have left, but for logs and the files of the guests.
    cd /mnt/up
    find . -iname "*ringvisor*" ! -type c ! -path "./test/*" ! -path "./var/log/*" \
        ! -path "./etc/ringvisor*" ! -path "./var/lib/ringvisor*" >"$work/left"
' || got=$?
cat "$work/out" 2>/dev/null || tail -n 30 "$work/boot"
grep -q '^the end$' "$work/out" && ! grep -q '^FAILED' "$work/out" ||
    bad all_inside_was_done "status $got" "$(tail -n 60 "$work/err")"
check a_purge_leaves_nothing test ! -s "$work/left"
[[ ! -s $work/left ]] || cat "$work/left"
exit $failed
