#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Disks with Debian's virtio_blk: what the guest writes is what the host reads, raw and
# qcow2; ext4, fio and fstrim over each cache mode; an image that fills up, one that
# shrinks, a vmm that is killed while the guest writes, two that want the same image.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
programs=$("$root/tools/guest-programs" e2fsprogs fio util-linux)
make_payloads

none_runs() { ! pgrep -f "$1" >/dev/null; }
sum() { sha256sum | cut -c 1-64; }
host_sum() { head -c "$2" "$1" | sum; }

# One boot: identity, serial, read-only, errors beyond the end.
truncate -s 64M "$work/raw"
head -c 1000000 /dev/urandom >"$work/odd" # no multiple of a sector
cp "$work/odd" "$work/odd.copy"
qemu-img create -q -f qcow2 "$work/disk.qcow2" 64M
guest --disk "$work/raw,serial=first" --disk "$work/disk.qcow2,queues=2" --disk "$work/odd,ro" <<'S'
head -c 20000000 /dev/urandom >/root/r
echo "wrote $(sha256sum </root/r | cut -c 1-64)"
for d in vda vdb; do
    dd if=/root/r of=/dev/$d bs=1M conv=fsync 2>/dev/null
    echo 3 >/proc/sys/vm/drop_caches
    echo "$d $(dd if=/dev/$d bs=1000000 count=20 2>/dev/null | sha256sum | cut -c 1-64)"
done
echo "serial $(cat /sys/block/vda/serial) end"
echo "queues $(ls -d /sys/block/vdb/mq/* | wc -l) end"
echo "ro $(cat /sys/block/vda/ro /sys/block/vdc/ro | tr '\n' ' ')end"
echo "odd $(sha256sum </dev/vdc | cut -c 1-64)"
fails 'vdc refused' dd if=/dev/zero of=/dev/vdc bs=512 count=1
S
check the_guest_with_three_disks_ends_well test "$got" -eq 0
wrote=$(sed -n 's/^wrote //p' "$work/out")
check the_guest_reads_back_what_it_wrote_raw says "vda ${wrote:-?}"
check the_guest_reads_back_what_it_wrote_qcow2 says "vdb ${wrote:-?}"
check the_host_reads_it_raw test "$(host_sum "$work/raw" 20000000)" = "$wrote"
qemu-img convert -O raw "$work/disk.qcow2" "$work/converted"
check the_host_reads_it_qcow2 test "$(host_sum "$work/converted" 20000000)" = "$wrote"
check the_helper_is_gone_with_its_vmm none_runs "$work/disk.qcow2"
check the_serial_arrives says 'serial first end'
check a_disk_has_as_many_queues_as_the_guest_has_cpus says 'queues 1 end' # 2 offered, one CPU
check ro_is_read_only says 'ro 0 1 end'
check writes_to_it_are_refused matches 'vdc refused: .*(Operation not permitted|Permission denied|Read-only)'
check a_part_of_a_sector_is_padded_with_zeros \
    says "odd $({ cat "$work/odd"; head -c $((1954 * 512 - 1000000)) /dev/zero; } | sum)"
check a_read_only_image_is_not_changed cmp "$work/odd" "$work/odd.copy"

# One boot: every cache mode and format under a file system, fio with --verify, and fstrim;
# and each kind of queue, with the features that the driver has taken (28: indirect
# descriptors, 29: event index, 34: packed ring), half of them on PCI.
for n in 1 2 3 4; do truncate -s 64M "$work/d$n"; done
modes=() mode_options=() bus=(mmio pci)
for packed in on off; do for event in on off; do for indirect in on off; do
    modes+=("packed=$packed,event-idx=$event,indirect=$indirect")
    truncate -s 8M "$work/m${#modes[@]}"
    mode_options+=(--disk "$work/m${#modes[@]},serial=mode${#modes[@]},${modes[-1]},bus=${bus[$((${#modes[@]} % 2))]}")
done; done; done
qemu-img create -q -f qcow2 "$work/d5.qcow2" 64M
guest -c 2 --disk "$programs,ro" --disk "$work/d1,cache=none" --disk "$work/d2,cache=writethrough,aio=threads" \
    --disk "$work/d3,cache=unsafe,queue-size=16" --disk "$work/d4,queues=2" --disk "$work/d5.qcow2" \
    "${mode_options[@]}" <<'S'
mount -o ro /dev/vda /mnt && for d in dev proc sys tmp; do mount --bind /$d /mnt/$d; done
for d in b c d e f; do
    chroot /mnt mkfs.ext4 -q /dev/vd$d && mkdir /tmp/$d && mount /dev/vd$d /tmp/$d || exit 1
    mount --bind /tmp/$d /mnt/tmp/$d
    chroot /mnt fio --name=v --filename=/tmp/$d/v --size=8M --bs=4k --rw=randwrite --ioengine=libaio \
        --direct=1 --iodepth=16 --fsync=64 --verify=crc32c --do_verify=1 --verify_fatal=1 >/tmp/log 2>&1 &&
        echo "verified vd$d" || cat /tmp/log
done
for d in g h i j k l m n; do
    features=$(cat /sys/block/vd$d/device/features)
    bit() { echo "$features" | cut -c $(($1 + 1)) | tr 01 fn | sed 's/^/o/;s/of/off/'; }
    mode="packed=$(bit 34),event-idx=$(bit 29),indirect=$(bit 28)"
    chroot /mnt fio --name=v --filename=/dev/vd$d --size=8M --bsrange=4k-64k --rw=randwrite --ioengine=libaio \
        --direct=1 --iodepth=32 --verify=crc32c --do_verify=1 --verify_fatal=1 >/tmp/log 2>&1 &&
        echo "verified $(cat /sys/block/vd$d/serial) $mode end" || cat /tmp/log
done
rm /tmp/e/v && sync
chroot /mnt fstrim -v /tmp/e | sed 's/^/trim /'
for d in b c d e f; do umount /mnt/tmp/$d; umount /tmp/$d || exit 1; done
echo 'write through' >/sys/block/vde/cache_type && echo "cache $(cat /sys/block/vde/cache_type)"
S
check the_guest_with_all_disks_ends_well test "$got" -eq 0
for d in b c d e f; do check "fio_verifies_vd$d" says "verified vd$d"; done
for n in "${!modes[@]}"; do check "fio_verifies_${modes[n]}" says "verified mode$((n + 1)) ${modes[n]} end"; done
check fstrim_gives_room_back_to_the_host test "$(stat -c %b "$work/d4")" -lt $((8 << 11))
check the_guest_can_make_it_write_through says 'cache write through'
qemu-img convert -O raw "$work/d5.qcow2" "$work/d5"
clean() { e2fsck -fn "$1" >"$work/out" 2>&1; }
for n in 1 2 3 4 5; do check "file_system_${n}_is_clean" clean "$work/d$n"; done

# Forty disks: 32 take the board's virtio-mmio slots, and the others go to the platform bus.
many=()
for n in {1..65}; do
    echo "disk $n" >"$work/many$n" && truncate -s 64K "$work/many$n"
    many+=("--disk=$work/many$n,format=raw,serial=many$n")
done
guest "${many[@]:0:40}" <<'S'
n=0
for d in /sys/block/vd*; do
    s=$(cat $d/serial)
    [ "disk ${s#many}" = "$(head -n 1 /dev/${d##*/})" ] && n=$((n + 1))
done
echo "read $n disks of $(ls -d /sys/block/vd* | wc -l) end"
S
check forty_disks_are_read says 'read 40 disks of 40 end'
refused more_devices_than_a_guest_can_have 2 'too many; 64 can be given' -k "$work/off.elf" "${many[@]}"

# A host file system that is full: the guest gets an error, goes on, and what was flushed stays.
full() {
    mkdir -p "$work/small" && mount -t tmpfs -o size=8M tmpfs "$work/small"
    truncate -s 64M "$work/small/image"
    guest --disk "$work/small/image" <<'S'
head -c 4194304 /dev/urandom >/root/r
dd if=/root/r of=/dev/vda bs=1M conv=fsync 2>/dev/null && echo "kept $(sha256sum </root/r | cut -c 1-64)"
fails 'no room' dd if=/dev/zero of=/dev/vda bs=1M seek=4 count=16 conv=fsync
dd if=/dev/vda of=/dev/null bs=1M count=4 iflag=direct 2>/dev/null && echo 'reads go on'
S
    check a_full_host_is_an_error_in_the_guest matches 'no room: .*((Input/output|I/O) error|No space left)'
    check the_guest_goes_on_after_it says 'reads go on'
    check the_message_names_the_full_image complains "$work/small/image"
    check what_was_flushed_before_is_there says "kept $(host_sum "$work/small/image" 4194304)"
}
if [[ $(id -u) -eq 0 ]]; then
    full
    umount "$work/small"
else
    echo 'note: a full host file system is only tried as root, who can mount a small one'
fi

# An image that is truncated under a running guest.
truncate -s 16M "$work/cut"
{
    "$root/tools/guest-exec" --timeout "$(limit 120)" -v --disk "$work/cut" -- sh -c 'echo is-up; sleep 4
        said=$(dd if=/dev/vda of=/dev/null bs=1M iflag=direct 2>&1) || echo "read failed: $said"
        dd if=/dev/vda of=/dev/null bs=1M count=1 iflag=direct 2>/dev/null && echo "the rest reads"' \
        >"$work/out" 2>"$work/err" || true
} &
waits 60 grep -qs is-up "$work/out" "$work/err" || true
truncate -s 8M "$work/cut"
wait $!
check reads_behind_a_truncated_end_fail matches 'read failed: .*(Input/output|I/O) error'
check what_is_left_reads says 'the rest reads'

# kill -9 of the vmm while the guest writes: all that its fsync acknowledged is there.
for format in raw qcow2; do
    image=$work/killed.$format
    truncate -s 64M "$work/killed"
    mkfs.ext4 -q "$work/killed"
    qemu-img convert -O "$format" "$work/killed" "$image"
    rm -f "$work/out" "$work/err" # what an earlier guest said is not this one's
    {
        "$root/tools/guest-exec" --timeout "$(limit 120)" -v --disk "$image" -- sh -c 'mount /dev/vda /mnt
            n=0; while n=$((n + 1)); do echo "line $n" >>/mnt/log; sync /mnt/log; echo "acknowledged $n"; done' \
            >"$work/out" 2>"$work/err" || true
    } &
    waits 60 grep -qs 'acknowledged 20$' "$work/out" "$work/err" || true
    pkill -9 -f "^$vmm run.*$image" || bad the_vmm_was_there_to_be_killed
    wait $!
    waits 10 none_runs "$image" || true
    check "its_helper_ends_by_itself_$format" none_runs "$image"
    # The last line may have been cut in the middle of its number.
    last=$(sed -n 's/^.*acknowledged \([0-9]*\)\r*$/\1/p' "$work/out" "$work/err" | sort -n | tail -n 1)
    qemu-img convert -O raw "$image" "$work/killed"
    e2fsck -fp "$work/killed" >"$work/fsck" 2>&1 || [[ $? -eq 1 ]] ||
        bad "the_file_system_recovers_$format" "$(cat "$work/fsck")"
    debugfs -R 'cat /log' "$work/killed" >"$work/lines" 2>/dev/null
    if [[ ${last:-0} -ge 20 ]] && grep -qx "line $last" "$work/lines"; then
        ok "acknowledged_lines_survive_kill_9_$format"
    else
        bad "acknowledged_lines_survive_kill_9_$format" "acknowledged: '${last:-none}'" "$(tail -n 3 "$work/lines")"
    fi
done

# kill -9 of the helper: with nothing unflushed the guest does not notice. A disk with an
# unreadable sector, from a server of our own: an error there, and data everywhere else. A qcow2 image
# whose table points to nonsense: an error there, after which QEMU reads nothing more of it.
qemu-img create -q -f qcow2 "$work/hostile.qcow2" 16M
qemu-io -c 'write -P 65 0 256k' "$work/hostile.qcow2" >/dev/null
python3 - "$work/hostile.qcow2" <<'P'
import struct, sys
with open(sys.argv[1], "r+b") as image:
    def entry(at):
        image.seek(at)
        return struct.unpack(">Q", image.read(8))[0] & 0x00fffffffffffe00
    # The header's L1 table, its L2 table, and there the fourth cluster: the first has the partition table.
    image.seek(entry(entry(40)) + 3 * 8)
    image.write(struct.pack(">Q", 1 << 63 | 0x50200))  # no cluster begins there
P
qemu-img create -q -f qcow2 "$work/helped.qcow2" 64M
head -c 1048576 /dev/urandom >"$work/rotten"
qemu-storage-daemon --blockdev file,node-name=file,filename="$work/rotten" \
    --blockdev '{"driver":"blkdebug","node-name":"bad","image":"file","inject-error":
                 [{"event":"none","iotype":"read","errno":5,"sector":1024}]}' \
    --nbd-server addr.type=unix,addr.path="$work/nbd" \
    --export type=nbd,id=e,node-name=bad,name=rotten,writable=on &
server=$!
waits 10 test -S "$work/nbd" || true
{
    guest --disk "$work/helped.qcow2" --disk "nbd+unix:///rotten?socket=$work/nbd" --console "socket:$work/sync" \
        --disk "$work/hostile.qcow2" <<'S'
exec 3<>/dev/hvc0 # open all the time: input of a console that nobody has open is lost
head -c 8388608 /dev/urandom >/root/r
dd if=/root/r of=/dev/vda bs=1M conv=fsync 2>/dev/null && echo kill-it >&3
read -r _ <&3
dd if=/dev/vda bs=1M count=8 iflag=direct 2>/dev/null | cmp - /root/r && echo 'read again'
dd if=/root/r of=/dev/vda bs=1M seek=8 conv=fsync 2>/dev/null && echo 'written again'
fails 'sector is rotten' dd if=/dev/vdb of=/dev/null bs=512 skip=1024 count=1 iflag=direct
dd if=/dev/vdb bs=64k count=8 iflag=direct 2>/dev/null | sha256sum | sed 's/^/before /'
dd if=/dev/vdb bs=64k skip=9 iflag=direct 2>/dev/null | sha256sum | sed 's/^/behind /'
dd if=/dev/vdc bs=4k skip=32 count=1 iflag=direct 2>/dev/null | tr -dc A | wc -c | sed 's/^/are A: /'
fails 'cluster is nonsense' dd if=/dev/vdc of=/dev/null bs=4k skip=48 count=1 iflag=direct
S
} &
guest=$!
python3 - "$work/sync" "$work/helped.qcow2" <<'P' || bad the_guest_meets_the_host
import os, signal, socket, subprocess, sys, time
for _ in range(600):
    try:
        s = socket.socket(socket.AF_UNIX)
        s.connect(sys.argv[1])
        break
    except OSError:
        time.sleep(0.1)
s.settimeout(60)
got = b""
while b"kill-it" not in got:
    got += s.recv(100)
pids = subprocess.run(["pgrep", "-f", "^qemu-storage-daemon.*" + sys.argv[2]], capture_output=True, text=True).stdout.split()
for pid in pids:
    os.kill(int(pid), signal.SIGKILL)
s.sendall(b"go\n")
sys.exit(not pids)
P
wait "$guest"
kill "$server"
wait "$server" || true
check flushed_data_is_read_through_a_new_helper says 'read again'
check and_it_writes_on says 'written again'
check that_the_helper_died_is_said complains "$work/helped.qcow2"
check a_sector_that_cannot_be_read_is_an_error matches 'sector is rotten: .*(Input/output|I/O) error'
check what_is_before_it_reads says "before $(head -c 524288 "$work/rotten" | sum)"
check a_hostile_qcow2_has_data_where_it_is_not_hostile says 'are A: 4096'
check and_is_an_error_where_it_is matches 'cluster is nonsense: .*(Input/output|I/O) error'
check what_is_behind_it_reads says "behind $(tail -c 458752 "$work/rotten" | sum)"

# Two that want the same image.
truncate -s 1M "$work/one"
"$vmm" run -k "$work/loop.elf" -m 64M --disk "$work/one" >"$work/first" 2>&1 </dev/null &
first=$!
waits 30 grep -q U "$work/first" || true
refused a_second_writer_is_refused 1 "$work/one" -k "$work/off.elf" -m 64M --disk "$work/one"
refused a_reader_beside_a_writer_is_refused 1 "$work/one" -k "$work/off.elf" -m 64M --disk "$work/one,ro"
run 30 run -k "$work/off.elf" -m 64M --disk "$work/one,lock=off"
check lock_off_lets_it_in test "$got" -eq 0
kill "$first"
wait "$first" || true

# What cannot be opened, and options that cannot be.
refused no_such_image 1 "$work/absent" -k "$work/off.elf" --disk "$work/absent"
refused a_folder_is_no_image 1 "$work" -k "$work/off.elf" --disk "$work"
refused unknown_format 1 'qcow2' -k "$work/off.elf" --disk "$work/one,format=qcow3"
refused unknown_cache 1 'writethrough' -k "$work/off.elf" --disk "$work/one,cache=fast"
refused unknown_property 1 'serial' -k "$work/off.elf" --disk "$work/one,serail=x"
refused queue_size_is_a_power_of_two 1 'power of two' -k "$work/off.elf" --disk "$work/one,queue-size=100"
refused no_value 2 '--disk' -k "$work/off.elf" --disk
printf 'QFI\373 and nothing more' >"$work/broken.qcow2"
refused a_broken_qcow2 1 "$work/broken.qcow2" -k "$work/off.elf" --disk "$work/broken.qcow2"
refused a_helper_that_is_not_there 1 '/no/helper' -k "$work/off.elf" --disk "$work/disk.qcow2,helper=/no/helper"
exit $failed
