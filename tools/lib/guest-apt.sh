# SPDX-License-Identifier: BSD-2-Clause
# Debian's packages for the guest: a cache, and an apt of our own for arm64.
# Sourced by bash, after common.sh.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# A folder that exists is taken even if it cannot be written: all may be there.
cache=
for dir in "${RINGVISOR_CACHE-}" "${XDG_CACHE_HOME:+$XDG_CACHE_HOME/ringvisor}" \
    "${HOME:+$HOME/.cache/ringvisor}" "$root/build/cache"; do
    if [[ $dir == /* ]] && { [[ -d $dir/guest ]] || mkdir -p "$dir/guest" 2>/dev/null; }; then
        cache=$dir
        break
    fi
done
[[ $cache ]] || die "no place for the guest's files: set RINGVISOR_CACHE to a folder (an absolute path)"

# cache_lock WHAT [FOLDER]: the cache, or a folder of it, is ours from here on, until this process ends.
cache_lock() {
    local folder=${2-$cache}
    mkdir -p "$folder" 2>/dev/null && { exec 9>"$folder/lock"; } 2>/dev/null ||
        die "$folder cannot be written, and $1 is not in it: set RINGVISOR_CACHE to another folder"
    if ! flock -n 9; then
        say "waiting for another program that fills $folder"
        flock 9
    fi
}

# work_folder [FOLDER]: a new folder $work in the cache, or in a folder of it, which goes when this
# process ends. With the lock.
work_folder() {
    local folder=${1-$cache}
    rm -rf "$folder"/work.* # left by one that was killed: the lock is ours
    work=$(mktemp -d "$folder/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# guest_apt DIR: sets up an apt in DIR that has nothing of the system's but its
# settings and its list of Debian sources: no list, cache or architecture of the
# system changes, and no privilege is needed. Use it by apt-get -c DIR/apt.conf;
# what it said is in DIR/log.
guest_apt() {
    local apt=$1 codename sources uri suite component
    command -v apt-get >/dev/null || die "the guest's packages are fetched with apt-get, which is not here"
    [[ -r $keyring ]] || die "$keyring is missing: install debian-archive-keyring"
    mkdir -p "$apt"/{lists/partial,archives/partial,etc}
    : >"$apt/status"
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")

    # Other people's sources are left out by component and suite, and could not
    # pass the check of the signature, which is by Debian's keys alone.
    sources=$(apt-get indextargets --no-release-info \
        --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk -v codename="$codename" '$3 == "main" && index($2, codename) == 1 && !seen[$0]++' || true)
    [[ $codename && $sources ]] || die "no Debian source is set up in /etc/apt/sources.list(.d)"
    while read -r uri suite component; do
        printf 'deb [arch=arm64 signed-by=%s] %s %s %s\n' "$keyring" "$uri" "$suite" "$component"
    done <<<"$sources" >"$apt/sources.list"

    cat >"$apt/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Dir::State "$apt";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Cache::archives "$apt/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/etc";
Dir::Etc::preferences "$apt/etc/none";
Dir::Etc::preferencesparts "$apt/etc";
CONF
    apt-get -c "$apt/apt.conf" -q update >"$apt/log" 2>&1 || true
}

# fetch_failed WHAT: apt has said why, and it is one of these.
fetch_failed() {
    die "$1 could not be fetched: run this again when the network is better, or with more space in $cache" \
        "($(df -h --output=avail "$cache" | tail -n 1 | tr -d ' ') free; RINGVISOR_CACHE names another folder)"
}

# Said after guest_apt when it has no package to offer.
guest_apt_failed() {
    cat "$1/log" >&2
    fetch_failed "Debian's package lists"
}

# guest_apt_priority DIR PRIORITIES: the names of Debian's packages of 'required|important' and the like.
guest_apt_priority() {
    apt-cache -c "$1/apt.conf" dumpavail 2>>"$1/log" |
        awk -v RS= -v line="\nPriority: ($2)\n" '$0 ~ line { print $2 }' | sort -u || true
}

# guest_apt_download DIR PACKAGE...: these, and all that they depend on, into DIR/archives.
guest_apt_download() {
    local apt=$1
    shift
    apt-get -c "$apt/apt.conf" -q -y --no-install-recommends -o Debug::NoLocking=true \
        --download-only install "$@" >&2 ||
        fetch_failed "the packages"
}

# as_root FUNCTION: called as root, or as what fakeroot takes for root. It sees what is exported.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$1"
    else
        command -v fakeroot >/dev/null || die "fakeroot is missing: run tools/install-deps packages"
        # Not by export -f: fakeroot is a script for sh, and dash drops exported functions.
        fakeroot bash -euo pipefail -c "$(declare -f "$1"); $1"
    fi
}

# linux_package VERSION: the kernel package of --linux VERSION, such as 6.12 or 6.12-16k (see tools/guest-image).
linux_package() {
    [[ $1 =~ ^([0-9.]+)(-16k)?$ ]] ||
        die "--linux $1: give a version such as 6.12, or 6.12-16k for its kernel with pages of 16 KiB"
    printf 'linux-image-%s-arm64%s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
}
