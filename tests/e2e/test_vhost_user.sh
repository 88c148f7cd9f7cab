#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Devices that other processes serve, with Debian's drivers in the guest and its back ends
# on the host: disks of qemu-storage-daemon, which is killed again and again under fio
# --verify; programs that run from one of them; virtiofsd's folder; a network. A reset of
# the guest in the middle of reads. What is there instead of the right back end.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
programs=$("$root/tools/guest-programs" e2fsprogs fio util-linux)
image=$("$root/tools/guest-image")
make_payloads
disks='' folder='' network='' guest=''

await() { # CONDITION: for five minutes at most, and as long as the guest runs
    local n
    for ((n = 0; n < 6000 * patience; n++)); do
        eval "$1" && return
        [[ -z $guest ]] || kill -0 "$guest" 2>/dev/null || return
        sleep 0.05
    done
    return 1
}

# The daemon is in $disks: a disk to write to, and the programs.
serve_disks() {
    qemu-storage-daemon \
        --blockdev file,node-name=d,filename="$work/disk" \
        --export vhost-user-blk,id=d,node-name=d,addr.type=unix,addr.path="$work/d.sock",writable=on,num-queues=2 \
        --blockdev file,node-name=p,filename="$programs",read-only=on \
        --export vhost-user-blk,id=p,node-name=p,addr.type=unix,addr.path="$work/p.sock" \
        >>"$work/daemon" 2>&1 &
    disks=$!
}
kill_disks() {
    { kill -9 "$disks" && wait "$disks"; } 2>/dev/null || true
    rm -f "$work/d.sock" "$work/p.sock"
}

truncate -s 64M "$work/disk"
mkdir "$work/share"
head -c 3000000 /dev/urandom >"$work/share/given"
given=$(sha256sum <"$work/share/given" | cut -c 1-64)
serve_disks
devices=(--device vhost-user-blk,socket="$work/d.sock",queues=2 --device vhost-user-blk,socket="$work/p.sock")
"$root/tests/e2e/vhost_net_back_end.py" "$work/n.sock" 2>"$work/network" &
network=$!
devices+=(--device vhost-user-net,socket="$work/n.sock",mac=52:54:00:11:22:33,mtu=1400)
if [[ $(id -u) -eq 0 ]]; then
    /usr/lib/qemu/virtiofsd --socket-path="$work/f.sock" -o source="$work/share" -o sandbox=chroot \
        >"$work/folder" 2>&1 &
    folder=$!
    devices+=(--device vhost-user-fs,socket="$work/f.sock",tag=host)
else
    echo 'note: virtiofsd is only tried as root, which it needs'
fi

cat >"$work/script" <<'S'
echo 1 >/proc/sys/debug/exception-trace
mkdir /tmp/d /tmp/share
mount -t virtiofs host /tmp/share && {
    echo "given $(sha256sum </tmp/share/given | cut -c 1-64)"
    head -c 2000000 /dev/urandom >/tmp/share/taken && mkdir /tmp/share/made && mv /tmp/share/taken /tmp/share/made
    echo "taken $(sha256sum </tmp/share/made/taken | cut -c 1-64)"
}
ip addr add 10.9.8.1/24 dev eth0 && ip link set eth0 up && ping -q -c 3 -s 1000 10.9.8.7
echo "eth0 $(cat /sys/class/net/eth0/address) $(cat /sys/class/net/eth0/mtu) end"

mount -t ext4 -o ro /dev/vdb /mnt && for d in dev proc sys tmp; do mount --bind /$d /mnt/$d; done
for f in /mnt/usr/bin/* /mnt/usr/sbin/*; do
    [ -L "$f" ] || case "$(head -c 4 "$f" | tail -c 3)" in
    ELF) p=${f#/mnt}; chroot /mnt "$p" --version >/dev/null 2>&1 </dev/null; s=$?
        n=$((n + 1)); [ $s -lt 128 ] || echo "crashed with $s: $p"
        # Code comes to pages that have had other code.
        [ $((n % 5)) -ne 0 ] || echo 3 >/proc/sys/vm/drop_caches ;;
    esac
    [ "${n:-0}" -ge 30 ] && break
done
echo "executed $n"
echo 3 >/proc/sys/vm/drop_caches
echo "programs $(head -c 100000000 /dev/vdb | sha256sum | cut -c 1-64)"
echo "queues $(ls -d /sys/block/vda/mq/* | wc -l) cache $(cat /sys/block/vda/queue/write_cache) end"

chroot /mnt mkfs.ext4 -q /dev/vda && mount /dev/vda /tmp/d && mount --bind /tmp/d /mnt/tmp/d
echo is-up
n=0
while [ $n -lt 60 ]; do
    n=$((n + 1))
    chroot /mnt fio --name=v --filename=/tmp/d/v --size=8M --bs=4k --rw=randwrite --ioengine=libaio \
        --direct=1 --iodepth=16 --verify=crc32c --do_verify=1 --verify_fatal=1 --randseed=$n >/tmp/log 2>&1 ||
        { cat /tmp/log; dmesg | tail -n 25; break; }
    echo "verified $n"
    dd if=/dev/vda bs=1M count=1 skip=63 iflag=direct 2>/dev/null | grep -q enough && { echo 'was told'; break; }
done
grep -q 'err= 0' /tmp/log && echo "fio is content"
echo "file $(sha256sum </tmp/d/v | cut -c 1-64)"
umount /mnt/tmp/d /tmp/d && echo 'unmounted'
S
: >"$work/out"
# The host tells the guest that it has done its worst in the disk's last sector.
"$root/tools/guest-exec" -v --timeout "$(limit 400)" -c 2 --log-level debug "${devices[@]}" -- sh -c "$(cat "$work/script")" \
    >"$work/out" 2>"$work/err" &
guest=$!
await 'says is-up' || true
killed=0
for n in 1 2 3 4 5; do
    seen=$(grep -cs verified "$work/out" || true)
    kill_disks
    [[ $n -ne 3 ]] || sleep 1.5 # away for longer than the delay between two attempts
    [[ $n -ne 5 ]] || printf enough | dd of="$work/disk" bs=512 seek=131071 conv=notrunc status=none
    serve_disks
    ! kill -0 $guest 2>/dev/null || killed=$((killed + 1))
    [[ $n -eq 5 ]] || await "[[ \$(grep -c verified '$work/out') -gt $seen ]]" || true
    [[ $n -ne 2 ]] || sleep 0.3 # not always at the same place
done
got=0
wait $guest || got=$?
guest=''
check the_guest_ends_well test "$got" -eq 0
check all_queues_are_there says 'queues 2 cache write back end'
check programs_run_from_such_a_disk says 'executed 30'
check none_of_them_crashes eval '! says "crashed with"'
check what_a_back_end_wrote_was_marked grep -qE 'marks: [1-9]' "$work/err"
check what_is_read_is_what_the_host_has says "programs $(head -c 100000000 "$programs" | sha256sum | cut -c 1-64)"
check the_daemon_was_killed_under_fio test "$killed" -eq 5
check the_guest_saw_the_last_one says 'was told'
check fio_verifies_while_the_daemon_is_killed says 'fio is content'
check the_file_system_is_unmounted says 'unmounted'
check the_loss_was_said complains 'the guest waits until it is there again'
check the_network_answers says '3 packets received'
check the_network_has_its_address_and_mtu says 'eth0 52:54:00:11:22:33 1400 end'
if [[ $folder ]]; then
    check the_guest_reads_the_folder says "given $given"
    check the_guest_writes_the_folder says "taken $(sha256sum <"$work/share/made/taken" | cut -c 1-64)"
fi
file=$(sed -n 's/^file //p' "$work/out")
kill_disks
check the_file_system_is_clean eval 'e2fsck -fn "$work/disk" >"$work/fsck" 2>&1'
debugfs -R "dump /v $work/v" "$work/disk" 2>/dev/null
check the_host_reads_what_the_guest_wrote test "$(sha256sum <"$work/v" | cut -c 1-64)" = "${file:-none}"

# A guest that resets itself with reads under way, and starts from the same disk again.
mkdir "$work/exec" && echo none >"$work/exec/nonce"
cat >"$work/exec/command" <<'S'
case "$(head -c 1 /dev/vda)" in
1) echo booted-again; exit 0 ;;
esac
echo -n 1 | dd of=/dev/vda conv=fsync 2>/dev/null
for i in 1 2 3 4; do dd if=/dev/vda of=/dev/null bs=64k iflag=direct & done
reboot -f
S
{
    cat "$image/initrd" && head -c $((-$(stat -c %s "$image/initrd") & 3)) /dev/zero
    (cd "$work" && printf '%s\n' exec exec/nonce exec/command | cpio -o -H newc --quiet)
} >"$work/initrd"
truncate -s 0 "$work/disk" && truncate -s 64M "$work/disk"
serve_disks
run 60 run -k "$image/kernel" -i "$work/initrd" -p 'console=ttyAMA0 panic=-1' \
    --device vhost-user-blk,socket="$work/d.sock"
check a_guest_that_resets_itself_starts_again says booted-again

# What is there instead of the right one.
off=(-k "$work/off.elf" -m 64M --device)
refused no_back_end 1 "$work/absent" "${off[@]}" "vhost-user-blk,socket=$work/absent,wait=0"
refused a_file_is_no_socket 1 "'$work/disk' is not a socket" "${off[@]}" "vhost-user-blk,socket=$work/disk"
refused the_socket_has_to_be_named 1 'socket' "${off[@]}" vhost-user-blk
refused a_disk_is_no_folder 1 'serves something else' "${off[@]}" "vhost-user-fs,socket=$work/d.sock,tag=t"
refused a_network_is_no_disk 1 'protocol features' "${off[@]}" "vhost-user-blk,socket=$work/n.sock"
refused more_queues_than_it_has 1 'fewer queues' "${off[@]}" "vhost-user-blk,socket=$work/d.sock,queues=3"
refused a_tag_that_is_too_long 1 'tag' "${off[@]}" "vhost-user-fs,socket=$work/d.sock,tag=$(printf 'x%.0s' {1..37})"
refused a_multicast_mac 1 'unicast' "${off[@]}" "vhost-user-net,socket=$work/n.sock,mac=01:00:00:00:00:01"
exit $failed
