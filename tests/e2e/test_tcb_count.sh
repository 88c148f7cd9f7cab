#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Usage: tests/e2e/test_tcb_count.sh
#
# tools/tcb-count counts code, and only code.
set -euo pipefail
tool=$(cd -- "$(dirname -- "$0")/../.." && pwd)/tools/tcb-count
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# expect NAME FILE LINES: the source on stdin has so many lines of code.
expect() {
    local name=$1 file=$2 lines=$3 got
    rm -rf "$tree"/*
    mkdir -p "$tree/$(dirname "$file")"
    cat >"$tree/$file"
    got=$("$tool" "$tree" | tail -n 1)
    if [[ $got == "core: $lines lines" ]]; then
        echo "ok: $name"
    else
        echo "FAILED: $name: expected $lines lines, got: $got"
        failed=1
    fi
}

expect blank_lines_and_whole_line_comments_do_not_count el2stub/a.c 2 <<'C'
/* SPDX */
/*
 * text; int not_code;
 */

// int not_code;
int a;
	
int b;
C
expect code_beside_a_comment_counts_once el2stub/a.c 4 <<'C'
int a; /* one */
/* two */ int b;
int c; /* three
four */ int d; // five
C
expect comment_signs_in_literals_are_code el2stub/a.c 5 <<'C'
const char *a = "/* not a comment";
const char *b = "\"// nor this"; char q = '"';
char c = '\''; char d = '/';
const char *e = "\\"; /* a comment
*/
int f; /* " */
/* ' */
C
expect a_block_comment_does_not_nest el2stub/a.c 1 <<'C'
/* /* */ int a; /* */
C
expect a_line_comment_goes_on_after_a_backslash el2stub/a.c 1 <<'C'
// one \
int not_code;
int a;
C
expect a_line_comment_hides_the_start_of_a_block el2stub/a.c 2 <<'C'
int a; // /*
int b; // */
C
expect a_block_comment_hides_a_line_comment el2stub/a.c 1 <<'C'
/* // */ int a;
C
expect windows_line_ends_are_blank el2stub/a.c 1 < <(printf 'int a;\r\n\r\n/* x\r\n*/\r\n')
expect a_last_line_without_newline_counts el2stub/a.c 1 < <(printf 'int a;')
expect directives_are_code_in_assembly el2stub/deep/down/a.S 4 <<'S'
#include "no/such.h" /* counts */
# define X 1
// comment
/* comment */
    mov x0, #1 // counts
    .ascii "/* code */"
S
expect a_lone_quote_in_assembly_begins_no_string el2stub/a.S 4 <<'S'
    mov w0, #'a
/* it's a comment */
    mov w0, #'"'
    // "
    mov w0, #'\''
    ret
S
expect headers_count el2stub/a.h 1 <<'C'
#pragma once
C
echo 'many words' >"$tree/el2stub/meson.build"
echo 'SECTIONS { . = 0; }' >"$tree/el2stub/a.lds"
if ! "$tool" "$tree" | tail -n 1 | grep -qx 'core: 1 lines'; then
    echo "FAILED: other_files_do_not_count"
    failed=1
fi

# Headers of the tree from outside are counted apart, also through others.
mkdir "$tree/proto"
echo '#include "proto/a.h"' >"$tree/el2stub/b.c"
printf '#include "proto/b.h"\nint a;\n' >"$tree/proto/a.h"
printf 'int b; /* x */\n' >"$tree/proto/b.h"
printf 'int unused;\n' >"$tree/proto/c.h"
if [[ $("$tool" "$tree" | grep -c 'proto/') -ne 2 ]] ||
    ! "$tool" "$tree" | grep -qx 'shared headers: 3 lines' ||
    ! "$tool" "$tree" | tail -n 1 | grep -qx 'core: 2 lines'; then
    echo "FAILED: included_headers_are_counted_apart"
    failed=1
fi

# says NAME LINE...: the tool prints each LINE as a whole.
says() {
    local name=$1 line output
    shift
    output=$("$tool" "$tree" || true)
    for line; do
        if ! grep -qxF -- "$line" <<<"$output"; then
            echo "FAILED: $name: no line '$line' in:"
            echo "$output"
            failed=1
            return
        fi
    done
    echo "ok: $name"
}

# fails NAME, fits NAME: the exit status says that an image is over its limit, or that none is.
fails() {
    if "$tool" "$tree" >/dev/null; then echo "FAILED: $1"; failed=1; else echo "ok: $1"; fi
}
fits() {
    if "$tool" "$tree" >/dev/null; then echo "ok: $1"; else echo "FAILED: $1"; failed=1; fi
}

# lines_of N FILE: a file with N lines of code.
lines_of() {
    mkdir -p "$(dirname "$tree/el2stub/$2")"
    for i in $(seq "$1"); do echo "int v$i;"; done >"$tree/el2stub/$2"
}

# An image is the core and one platform.
rm -rf "$tree"/*
lines_of 1000 core.c
lines_of 800 platform/qemu.c
says image_has_the_core_and_its_platform 'core: 1000 lines' 'platform qemu: 800 lines' \
    'image qemu: 1800 lines (limit 1800, 0 left)'
fits an_image_at_its_limit_is_allowed
if ! lines=$("$tool" "$tree") || grep -q linux <<<"$lines"; then
    echo "FAILED: an_image_without_its_platform_is_not_counted"
    failed=1
fi
lines_of 700 platform/linux.c
lines_of 750 host/psci.c
says images_do_not_count_each_others_platform 'image qemu: 1800 lines (limit 1800, 0 left)' \
    'platform linux: 1450 lines' 'image linux: 2450 lines (limit 2500, 50 left)'
fits two_images_within_their_limits_are_allowed
lines_of 50 platform/shared.S
says a_platform_file_of_no_machine_is_in_all_images \
    'image qemu: 1850 lines (limit 1800, 50 too many)' 'image linux: 2500 lines (limit 2500, 0 left)'
fails one_image_over_its_limit_fails
lines_of 701 platform/qemu.c
lines_of 701 platform/linux.c
says each_image_has_its_own_limit 'image qemu: 1751 lines (limit 1800, 49 left)' \
    'image linux: 2501 lines (limit 2500, 1 too many)'
fails the_other_image_over_its_limit_fails
exit "$failed"
