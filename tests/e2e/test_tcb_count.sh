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
    if [[ $got == "el2stub: $lines lines (budget 1500)" ]]; then
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
if ! "$tool" "$tree" | tail -n 1 | grep -qx 'el2stub: 1 lines (budget 1500)'; then
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
    ! "$tool" "$tree" | tail -n 1 | grep -qx 'el2stub: 2 lines (budget 1500)'; then
    echo "FAILED: included_headers_are_counted_apart"
    failed=1
fi

# The budget is a limit.
{ for i in $(seq 1498); do echo "int v$i;"; done; } >"$tree/el2stub/c.c"
"$tool" "$tree" >/dev/null || { echo "FAILED: the_budget_itself_is_allowed"; failed=1; }
echo 'int over;' >>"$tree/el2stub/c.c"
if "$tool" "$tree" >/dev/null; then
    echo "FAILED: over_the_budget_fails"
    failed=1
fi
exit "$failed"
