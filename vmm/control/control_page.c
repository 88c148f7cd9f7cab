/* SPDX-License-Identifier: BSD-2-Clause */
/* The page for a browser: page.html, which draws charts of what /metrics has. */
#include "vmm/control/control_internal.h"
#include "vmm/control/page.h"

void control_page_show(struct control_call *call)
{
    control_answer_text(call, "text/html; charset=utf-8", page);
}
