/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists such as "key=value,key,key=a value,, with a comma": a comma in a value is written twice. */
#pragma once

struct keyval {
    char *key;   /* up to '=' or a comma; may be empty */
    char *value; /* NULL: there is no '=' */
};

/*
 * The next element of the list at `*text`, which moves on; NULL: the list is over. 1, and
 * keyval_free() is due; 0: there is none; -ENOMEM.
 */
int keyval_next(const char **text, struct keyval *keyval);
void keyval_free(struct keyval *keyval);
