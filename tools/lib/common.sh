# SPDX-License-Identifier: BSD-2-Clause
# What the scripts in tools/ share. Sourced by bash, after `set -euo pipefail`.

# The source tree: the parent of tools/.
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
# kmod and friends live where an ordinary user's PATH does not look.
PATH=$PATH:/usr/sbin:/sbin
program=${0##*/}

# Progress and errors go to stderr; stdout is for results.
say() { printf '%s: %s\n' "$program" "$*" >&2; }
die() { say "$*"; exit 1; }

# Print the comment at the head of the script itself: the text of --help.
usage() { sed -n '3,/^[^#]/{s/^# \{0,1\}//p;}' "$0"; }

# Configure build directory $1 with meson options $2... unless that was done
# with the same options before, and build it. Ninja itself sees changes of the
# meson.build files. (No reliance on set -e: it is off in a caller's ||.)
build() {
    local dir=$root/$1 options stamp
    shift
    options=$(printf '%s\n' "CC=${CC-}" "$@")
    stamp=$dir/.ringvisor-options
    if [[ ! -e $dir/build.ninja || ! -e $stamp || $(<"$stamp") != "$options" ]]; then
        say "configuring ${dir##*/}/"
        if [[ -e $dir/build.ninja ]]; then
            meson setup --wipe "$dir" "$root" "$@" >&2 || return
        else
            meson setup "$dir" "$root" "$@" >&2 || return
        fi
        printf '%s\n' "$options" >"$stamp" || return
    fi
    # Silent when there is nothing to do.
    if ! ninja -C "$dir" -n 2>/dev/null | grep -q 'no work to do'; then
        say "building ${dir##*/}/"
        ninja -C "$dir" >&2
    fi
}
