#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Folders of the host's in the guest with Debian's virtiofs: a tree of more files than the vmm
# may have descriptors, and a container's upper folder of overlayfs.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"

as=(bash -c 'ulimit -n 1024; exec "$@"' bash)
guest_seconds=150

# SHARE_FOLDERS of 1,000 files each (default 10).
folders=${SHARE_FOLDERS:-10}
mkdir "$work/many" "$work/upper"
for ((d = 0; d < folders; d++)); do
    mkdir "$work/many/$d" && (cd "$work/many/$d" && seq 1000 | split -l 1 -a 3 -d - f)
done
mkdir -p "$work/upper/lower/dir/sub" "$work/upper/up" "$work/upper/work" "$work/upper/merged"
echo lower >"$work/upper/lower/dir/file"
echo lower >"$work/upper/lower/gone"
ln -s dir/file "$work/upper/lower/link"
guest -m 768M --share "$work/many,tag=many" --share "$work/upper,tag=upper" <<S
mount -t virtiofs many /mnt && mkdir /tmp/u && mount -t virtiofs upper /tmp/u && cd /mnt || exit 9
exec 3<2/f007 && rm 2/f007
ls -lR . | grep -c '^-' | sed 's/^/listed /'
cat 2/* 3/* 0/* | wc -l | sed 's/^/read /'
cat <&3 && stat -c 'links %h' /proc/self/fd/3 -L
mv 5 moved && cat moved/f500 >/dev/null && echo new >9/new && cat 0/f000 >/dev/null && echo 'still good'
cd /tmp/u && modprobe overlay && mount -t overlay none -o lowerdir=lower,upperdir=up,workdir=work merged && cd merged || exit 9
echo upper >>dir/file && rm gone && mv link renamed && rm -r dir/sub && mkdir dir/sub && rm -r dir && mkdir dir && echo made >dir/made && echo 'changed'
ls -a . dir | tr '\n' ' '; cat dir/made; readlink renamed
cd / && umount /tmp/u/merged && mount -t overlay none -o lowerdir=/tmp/u/lower,upperdir=/tmp/u/up,workdir=/tmp/u/work /tmp/u/merged && ls -a /tmp/u/merged /tmp/u/merged/dir | tr '\n' ' ' | sed 's/^/again /'
dmesg >/tmp/messages && { grep overlayfs /tmp/messages; echo 'messages were read'; }
S
check the_guest_ends_well_with_few_descriptors test "$got" -eq 0
check all_files_are_listed says "listed $((folders * 1000 - 1))"
check files_of_several_folders_are_read says 'read 2999'
check a_file_without_a_name_stays_open says 'links 0'
check names_change_among_many_files says 'still good'
check what_the_guest_moved_has_moved test -e "$work/many/moved/f500" -a -e "$work/many/9/new"
check an_upper_folder_takes_changes says 'changed'
check an_upper_folder_hides_what_was_removed says_not ' gone '
check an_upper_folder_keeps_them grep -qE 'again .* dir renamed .* made' "$work/out"
check the_kernels_messages_were_looked_at says 'messages were read'
check overlayfs_misses_nothing says_not 'overlayfs: upper fs'
exit $failed
