/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of options as a JSON object: a key for each option, by its long name.
 *
 * An option without a value is true; one whose value can be left out is true or a text; another one
 * is a text, or an integer, which is the text of its digits. One that may be given several times may
 * also be an array of these. false is an option that is not given.
 */
#pragma once

#include <jansson.h>

#include "vmm/cli/option.h"

/*
 * What is in a file or a pipe, in a memory file: it can be read again, also by other processes. A
 * descriptor or -errno after a message.
 */
int option_json_open(const char *file);

/*
 * Apply the options of such a copy, but for those that were given before. `file` is its name in
 * messages, `keep` a JSON array; it gets the texts that the target points to. 0; -EINVAL after a
 * message that names the file and the key.
 */
int option_json_read(struct option_set *set, const char *file, int copy, json_t *keep);

/* The same for an object that is there; `file` is its name in messages. */
int option_json_apply(struct option_set *set, json_t *root, json_t *keep, const char *file);

/* Note an option that was applied: set->record is what option_json_read() would read. */
void option_json_record(json_t *record, const struct option_row *row, const char *value);

/* The JSON schema (draft 2020-12) of such a file. NULL: out of memory. */
json_t *option_json_schema(const struct option_set *set, const char *title);
