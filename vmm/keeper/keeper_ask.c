/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/keeper/keeper_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/keeper/keeper_internal.h"

int keeper_ask_upgrade(int keeper, int program, uint64_t *pause_us, char why[KEEPER_WHY_MAX])
{
    static struct keeper_message message;
    struct keeper_fds fds = {.fd = {program, STDERR_FILENO}, .count = 2};
    int error;

    message = (struct keeper_message){.op = KEEPER_UPGRADE};
    error = keeper_send(keeper, &message, &fds);
    fds.count = 0;
    if (!error)
        error = keeper_receive(keeper, &message, &fds);
    keeper_fds_close(&fds);
    if (error != 1) {
        snprintf(why, KEEPER_WHY_MAX, "its keeper %s", error ? strerror(-error) : "has ended");
        return error ? error : -EPIPE;
    }
    message.text[sizeof(message.text) - 1] = '\0';
    snprintf(why, KEEPER_WHY_MAX, "%.*s", (int)KEEPER_WHY_MAX - 1, message.text);
    *pause_us = strtoull(message.text, NULL, 10);
    return message.result;
}
