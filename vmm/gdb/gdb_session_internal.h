/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands share. */
#pragma once

#include "vmm/gdb/gdb_session.h"
#include "vmm/gdb/gdb_text.h"

/* A command at work: the rest of its packet, and the reply, which is sent when it returns. */
struct gdb_command {
    struct gdb_session *session;
    struct gdb_in in;
    struct gdb_out out;
    bool silent; /* there is no reply now */
};

void gdb_command_ok(struct gdb_command *command);

/* `error` is a negative errno. */
void gdb_command_error(struct gdb_command *command, int error);

/* A thread of the packet: a vCPU; `*all`: -1 or 0, all or any of them. False: it is none. */
bool gdb_command_thread(struct gdb_command *command, unsigned *vcpu, bool *all);

/* The first vCPU that is on. */
unsigned gdb_session_first(const struct gdb_session *session);

/* `q...` and `Q...` */
void gdb_query(struct gdb_command *command);
void gdb_set(struct gdb_command *command);

/* vCont, c, s, C, S */
void gdb_vcont(struct gdb_command *command);
void gdb_vcont_actions(struct gdb_command *command);
void gdb_continue(struct gdb_command *command);
void gdb_step(struct gdb_command *command);
void gdb_continue_with_signal(struct gdb_command *command);
void gdb_step_with_signal(struct gdb_command *command);

/* The stop reply for session->stop. */
void gdb_stop_reply(struct gdb_command *command);
