/* SPDX-License-Identifier: BSD-2-Clause */
/* The values of device properties: what a user may type, and what it means. */
#pragma once

#include <ringvisor/device.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Does `text` have the form of the property's type, and lie in its limits? */
bool property_valid(const struct rv_property *property, const char *text);

/* The values of texts that property_valid accepted. */
bool property_bool(const char *text);
uint64_t property_uint(const char *text);
unsigned property_enum(const struct rv_property *property, const char *text);

/* What a user may type for it: "on or off". */
void property_help(const struct rv_property *property, FILE *out);

/* The same as text for a message: free() it. May be NULL. */
char *property_help_text(const struct rv_property *property);

/* What is wrong with a list of declarations, or NULL. */
const char *property_check(const struct rv_property *properties);

/* "a, b, c": free() it. Never an empty text; NULL: there are none, or no memory. */
char *property_names(const struct rv_property *properties);

/* The index of the property of that name, of `len` bytes; or -1. */
int property_find(const struct rv_property *properties, const char *name, size_t len);

/* 1 to 32 of a-z, 0-9, '-', '_' and '.': it is typed in "--device name,property=value". */
bool property_name_valid(const char *name);
