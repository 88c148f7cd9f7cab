#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Usage: run.sh FUZZER CORPUS
#
# A short run of a fuzzer from its kept corpus; what it finds new is not kept.
# FUZZ_SECONDS: how long (default 10).
set -eu
fuzzer=$(realpath "$1") kept=$2
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
cd "$new"
mkdir corpus
set -- corpus
[ ! -d "$kept" ] || set -- corpus "$kept"
# 1: the 77 of libFuzzer would be a skipped test.
"$fuzzer" -error_exitcode=1 -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 "$@"
