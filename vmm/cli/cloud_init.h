/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seed of a cloud image: a small disk from which cloud-init in the guest reads its user data
 * and what the guest is called (its data source NoCloud). mtools make the file system.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cloud_init {
    char *user_data; /* a file, or NULL */
    char *ssh_key;   /* a file of public keys, or NULL */
    char *hostname;  /* or NULL */
};

/* "user-data=FILE,ssh-key=FILE,hostname=NAME", each of which may be missing. 0 or -EINVAL. */
int cloud_init_parse(const char *text, struct cloud_init *config);
void cloud_init_free(struct cloud_init *config);

/*
 * Makes the seed. `name` is the guest's, or NULL: cloud-init runs its first boot again when the
 * name changes. A descriptor of an unlinked file in memory, or -errno after a message.
 */
int cloud_init_seed(const struct cloud_init *config, const char *name);
