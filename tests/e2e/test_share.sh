#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A folder of the host's in the guest with Debian's virtiofs: contents, names and rights,
# tar and git, what must not be reached, and a folder that is deleted under the guest.
# Usage: test_share.sh GUEST-PROGRAM. SHARE_STEPS (default 1500): of the random file.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
program=$1 steps=${SHARE_STEPS:-1500}
programs=$("$root/tools/guest-programs" dash git tar)
make_payloads
guest_seconds=150

mkdir "$work/share" "$work/gone" "$work/ro" "$work/tree"
cp "$program" "$work/share/files"
cp "$program" "$work/ro/files"
(cd "$root" && tar -cf - devices docs tools | tar -xf - -C "$work/tree")
ln -s ../docs/architecture.md "$work/tree/tools/link"
tar -cf "$work/share/tree.tar" -C "$work" tree
echo 'the hosts' >"$work/secret"
ln -s "$work/secret" "$work/share/absolute"
ln -s ../secret "$work/share/dots"
mkfifo "$work/share/fifo"
git init -q "$work/share/repo"
(cd "$work/share/repo" && cp -r "$work/tree"/* . && git add -A &&
    git -c user.name=n -c user.email=e@example.org commit -qm first)

# While the guest is at work, one of its folders goes.
{
    waits 90 test -e "$work/gone/a" || true
    rm -rf "$work/gone"
} &
deleter=$!
guest -c 2 -m 768M --share "$work/share,tag=host" --share "$work/ro,tag=fixed,ro" --share "$work/gone,tag=gone" \
    --disk "$programs,ro" <<S
mount -o ro /dev/vda /mnt && for d in dev proc sys tmp; do mount --bind /\$d /mnt/\$d; done
mkdir /tmp/s /tmp/r /tmp/g && mount -t virtiofs host /tmp/s && mount -t virtiofs fixed /tmp/r && mount -t virtiofs gone /tmp/g || exit 9
mount --bind /tmp/s /mnt/root 2>/dev/null
cd /tmp/s && mkdir work && for seed in 1 2 3; do ./files random /tmp/s/work \$seed $steps; done
mkdir names rights && ./files names /tmp/s/names && ./files rights /tmp/s/rights && ./files append /tmp/s/names
chroot /mnt tar -xf /root/tree.tar -C /root/work && echo 'unpacked'
(cd work/tree && tar -cf - . | md5sum >/dev/null) && chroot /mnt tar -cf /root/back.tar -C /root/work tree && echo 'packed'
chroot /mnt git -c safe.directory='*' clone -q --no-hardlinks /root/repo /root/clone && echo 'cloned'
chroot /mnt git -c safe.directory='*' -C /root/clone fsck --full >/tmp/fsck 2>&1 && echo 'sound' || cat /tmp/fsck
chroot /mnt git -c safe.directory='*' -C /root/clone status --porcelain >/tmp/changes && echo "changes \$(wc -l </tmp/changes)"
cat absolute dots 2>/dev/null || echo 'links are the guests'
(echo into >fifo) & read line <fifo && echo "fifo \$line"
cat /tmp/r/files >/dev/null && echo 'reads ro'
touch /tmp/r/new 2>/dev/null || echo 'refused new'
rm /tmp/r/files 2>/dev/null || echo 'refused rm'
sh -c 'echo x >>/tmp/r/files' 2>/dev/null || echo 'refused append'
touch /tmp/g/a && echo 'delete it'
for n in \$(seq 100); do [ -e /tmp/g/a ] || break; sleep 0.1; done
mkdir /tmp/g/x 2>/dev/null || echo 'gone is gone'
ls -la /tmp/g >/dev/null; df /tmp/g >/dev/null; cd /; umount /mnt/root; umount /tmp/s && mount -t virtiofs host /tmp/s && ls /tmp/s/clone/docs | head -1
S
wait "$deleter"
check the_guest_ends_well test "$got" -eq 0
check three_files_of_random_deeds_are_right test "$(grep -c '^random: all good' "$work/out")" -eq 3
check names_mean_what_they_must says 'names: all good'
[[ $(id -u) -ne 0 ]] || check rights_are_the_guests says 'rights: all good'
check a_mapped_file_can_be_appended_to says 'append: all good'
for name in first later; do
    check "the_host_has_what_was_appended_$name" grep -qx 'yyyy456789abcdef!' "$work/share/names/appended-$name"
done
check tar_unpacks says 'unpacked'
check what_the_guest_unpacked_is_the_same diff -r --no-dereference "$work/tree" "$work/share/work/tree"
check tar_packs says 'packed'
mkdir "$work/back" && tar -xf "$work/share/back.tar" -C "$work/back"
check what_the_guest_packed_is_the_same diff -r --no-dereference "$work/tree" "$work/back/tree"
check git_clones says 'cloned'
check the_clone_is_sound says 'sound'
check the_clone_has_no_changes says 'changes 0'
check links_lead_nowhere_on_the_host says 'links are the guests'
check the_hosts_secret_is_kept says_not 'the hosts'
check a_fifo_is_the_guests_own says 'fifo into'
check ro_can_be_read says 'reads ro'
for what in new rm append; do check "ro_refuses_$what" says "refused $what"; done
check a_folder_that_is_deleted_is_an_error says 'gone is gone'
check it_can_be_mounted_again says 'architecture.md'

# As an ordinary user: all is his, and the guest knows him as root.
if [[ $(id -u) -eq 0 ]]; then
    image=$("$root/tools/guest-image" 2>/dev/null)
    mkdir "$work/cache" "$work/tmp" "$work/his"
    cp -r "$(dirname -- "$(dirname -- "$image")")"/{guest,packages} "$work/cache/"
    touch "$work/cache/lock"
    chmod -R a+rwX "$work/cache" "$work/tmp"
    chmod 755 "$work"
    chown 65534:65534 "$work/his"
    ordinary=(setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs)
    if "${ordinary[@]}" test -x "$vmm" -a -r "$root/tools/guest-exec"; then
        as=("${ordinary[@]}" env TMPDIR="$work/tmp" HOME="$work/tmp" RINGVISOR_CACHE="$work/cache")
        guest --share "$work/his,tag=host" <<'S'
mount -t virtiofs host /mnt && cd /mnt && echo hello >new && chown 0:0 new && chmod 640 new && mkdir d && echo "owner $(stat -c %u:%g:%a new d | tr '\n' ' ')"
chown 7:7 new 2>/dev/null || echo 'no other owner'
S
        check an_ordinary_user_is_the_guests_root says 'owner 0:0:640 0:0:755'
        check an_ordinary_user_cannot_give_files_away says 'no other owner'
        check the_file_is_the_users test "$(stat -c %u "$work/his/new")" -eq 65534
        as=(env)
    else
        echo 'note: this checkout cannot be read by an ordinary user: not tried as one'
    fi
fi

refused no_such_folder 1 "$work/absent" -k "$work/off.elf" -m 64M --share "$work/absent,tag=x"
refused a_file_is_no_folder 1 "$work/secret" -k "$work/off.elf" -m 64M --share "$work/secret,tag=x"
refused no_tag 1 'tag' -k "$work/off.elf" -m 64M --share "$work/share"
refused a_tag_that_is_too_long 1 '36 characters' -k "$work/off.elf" -m 64M --share "$work/share,tag=$(printf 'x%.0s' {1..37})"
exit $failed
