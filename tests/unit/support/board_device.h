/* SPDX-License-Identifier: BSD-2-Clause */
/* The device of a test of the board's: one instance on plugin_host, in short words. */
#pragma once

#include "tests/unit/support/plugin_host.h"

#define S NS_PER_S

extern struct rv_instance host;

/* A new host, and the device on it, running. `property` (or NULL) has the value `value`. */
void board_start(const char *property, const char *value);

/* For cmocka: such a device without a property for each test, and its end. */
int board_setup(void **state);
int board_teardown(void **state);

/* Time passes; each timer fires at its time. */
void pass(uint64_t ns);

/* A register. Accesses that must go well end the program if they do not. */
uint32_t get(uint64_t offset);
void put(uint64_t offset, uint32_t value);

/* Reads and writes of every width and offset inside of `size` bytes. */
void every_access(uint64_t size);
