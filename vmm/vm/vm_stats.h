/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's exits were, as a table in the log. */
#pragma once

struct vm;

/* At level debug: the exits by kind, and by what they accessed. */
void vm_stats_show(const struct vm *vm);
