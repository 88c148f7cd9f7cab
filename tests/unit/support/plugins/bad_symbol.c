/* SPDX-License-Identifier: BSD-2-Clause */
/* A shared object, but not a device. */
int not_a_device(void);

int not_a_device(void)
{
    return 0;
}
