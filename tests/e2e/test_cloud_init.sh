#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The seed of --cloud-init, as the data source of Debian's cloud-init reads it. cloud-init is unpacked,
# and runs here: in an emulated guest its Python takes minutes.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
make_payloads
cloud_init=$("$(dirname -- "$0")/cloud-init")

printf '#cloud-config\nwrite_files:\n  - path: /made\n' >"$work/user-data"
printf '# mine\nssh-ed25519 AAAA "of a user"\nssh-rsa BBBB\n' >"$work/id.pub"
"$vmm" run -k "$work/loop.elf" -m 64M -n web-1 --control off \
    --cloud-init "user-data=$work/user-data,ssh-key=$work/id.pub,hostname=shop.example.org" \
    >"$work/console" 2>"$work/err" </dev/null &
pid=$!
waits 60 test -s "$work/console" || true
# The disk is a file of the vmm's that has no name.
seed=$(find /proc/"$pid"/fd -lname '*memfd:cidata*' -print -quit)
mkdir "$work/seed"
cp "$seed" "$work/seed.img" && mcopy -n -i "$work/seed.img" ::user-data ::meta-data "$work/seed/" || true
kill "$pid"
wait "$pid" || true

got=0
/usr/bin/python3 - "$cloud_init" "$work" >"$work/out" 2>>"$work/err" <<'PYTHON' || got=$?
import sys

sys.path.append(sys.argv[1])
from cloudinit.helpers import Paths
from cloudinit.sources.DataSourceNoCloud import DataSourceNoCloud

work = sys.argv[2]
source = DataSourceNoCloud({}, None, Paths({"cloud_dir": work + "/cloud", "run_dir": work + "/run"}))
source.seed_dirs = [work + "/seed"]
print("found", source.get_data())
print("id", source.get_instance_id(), "host", source.get_hostname(fqdn=True).hostname)
print("keys", source.get_public_ssh_keys())
print("user", source.get_userdata_raw())
PYTHON
check cloud_init_takes_the_seed answers '^found True'
check it_has_the_id_and_the_hosts_name answers '^id web-1 host shop.example.org$'
check it_has_the_keys says "keys ['ssh-ed25519 AAAA \"of a user\"', 'ssh-rsa BBBB']"
check it_has_the_user_data says "user b'#cloud-config\\nwrite_files:"
check the_label_is_the_one_that_it_looks_for eval 'blkid -p "$work/seed.img" | finds " LABEL=\"CIDATA\".* TYPE=\"vfat\""'
exit $failed
