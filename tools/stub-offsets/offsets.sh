#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# offsets.sh INPUT OUTPUT DEPFILE COMPILER [FLAG...]: offsets of C structs, for assembly.
set -eu
input=$1 output=$2 depfile=$3
shift 3
"$@" -MD -MF "$depfile" -MT "$output" -S -o "$output.s" "$input"
sed -n 's/^@\([A-Z_]*\) [#$]*\([0-9]*\).*/#define \1 \2/p' "$output.s" >"$output"
