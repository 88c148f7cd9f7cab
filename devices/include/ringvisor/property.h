/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties: what a user may say about a device, at the start and while the guest runs. */
#pragma once

#include <stdint.h>

enum rv_property_type {
    RV_PROPERTY_BOOL,   /* on, off, yes, no, true, false, 1, 0 */
    RV_PROPERTY_UINT,   /* decimal or 0x..., `min` to `max` */
    RV_PROPERTY_SIZE,   /* the same with K, M, G, T for units of 1024 */
    RV_PROPERTY_STRING, /* any text */
    RV_PROPERTY_ENUM,   /* one of `choices` */
    RV_PROPERTY_PATH,   /* text that is not empty */
};

/* The size of one element is `property_size` of the class, so that the struct can grow. */
struct rv_property {
    const char *name;  /* a-z, 0-9, '-', '_', '.'; NULL ends the list of properties */
    uint32_t type;     /* enum rv_property_type */
    uint8_t required;  /* 1: there is no default, the user must give it */
    uint8_t list;      /* 1: may be given several times (property_count, property_item) */
    uint8_t runtime;   /* 1: the user may change it while the guest runs: needs set() */
    uint8_t reserved;  /* 0 */
    const char *value; /* default, as a user would type it; NULL: none (STRING and PATH only) */
    const char *help;
    const char *const *choices; /* ENUM: NULL-terminated */
    uint64_t min;               /* UINT, SIZE */
    uint64_t max;               /* 0: no limit */
};

/*
 * For devices that firmware can boot from: the vmm reads it and tells the firmware, for classes
 * that it knows.
 */
#define RV_PROPERTY_BOOT_INDEX                                                                 \
    {                                                                                          \
        .name = "bootindex", .type = RV_PROPERTY_UINT, .value = "65535", .max = 65535,         \
        .help = "place in the firmware's boot order, the lowest first; 65535: none of its own" \
    }

/*
 * A command that the user may give the instance at run time, beside get and set. The size of
 * one element is `command_size` of the class.
 */
struct rv_command_info {
    const char *name; /* characters as in a property's name; NULL ends the list */
    const char *help; /* what it does, and the members of its JSON object */
};
