/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/device/property.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/util/size.h"

#define PROPERTY_NAME_MAX 32u

static const struct {
    const char *text;
    bool value;
} property_bools[] = {
    {"on", true},   {"off", false},   {"yes", true}, {"no", false},
    {"true", true}, {"false", false}, {"1", true},   {"0", false},
};

#define PROPERTY_BOOLS (sizeof(property_bools) / sizeof(property_bools[0]))

static size_t property_bool_index(const char *text)
{
    size_t i = 0;

    while (i < PROPERTY_BOOLS && strcmp(text, property_bools[i].text) != 0)
        i++;
    return i;
}

bool property_bool(const char *text)
{
    size_t i = property_bool_index(text);

    return i < PROPERTY_BOOLS && property_bools[i].value;
}

uint64_t property_uint(const char *text)
{
    uint64_t number = 0;

    (void)size_parse(text, &number); /* 0 then */
    return number;
}

static bool property_uint_valid(const struct rv_property *p, const char *text)
{
    size_t len = strlen(text);
    uint64_t number;

    /* A unit is for sizes: "8K" CPUs is a mistake. */
    if (p->type == RV_PROPERTY_UINT && len > 0 && strchr("kKmMgGtT", text[len - 1]))
        return false;
    return size_parse(text, &number) == 0 && number >= p->min && (p->max == 0 || number <= p->max);
}

/* The index in `choices`, or how many there are. */
static unsigned property_choice(const struct rv_property *p, const char *text)
{
    unsigned i = 0;

    while (p->choices[i] && strcmp(p->choices[i], text) != 0)
        i++;
    return i;
}

unsigned property_enum(const struct rv_property *property, const char *text)
{
    return property_choice(property, text);
}

bool property_valid(const struct rv_property *property, const char *text)
{
    switch (property->type) {
    case RV_PROPERTY_BOOL: return property_bool_index(text) < PROPERTY_BOOLS;
    case RV_PROPERTY_UINT:
    case RV_PROPERTY_SIZE: return property_uint_valid(property, text);
    case RV_PROPERTY_STRING: return true;
    case RV_PROPERTY_ENUM: return property->choices[property_choice(property, text)] != NULL;
    case RV_PROPERTY_PATH: return text[0] != '\0';
    }
    return false;
}

static void property_limits(const struct rv_property *p, FILE *out)
{
    if (p->min && p->max)
        fprintf(out, ", %" PRIu64 " to %" PRIu64, p->min, p->max);
    else if (p->min)
        fprintf(out, ", at least %" PRIu64, p->min);
    else if (p->max)
        fprintf(out, ", at most %" PRIu64, p->max);
}

void property_help(const struct rv_property *property, FILE *out)
{
    switch (property->type) {
    case RV_PROPERTY_BOOL: fputs("on or off", out); break;
    case RV_PROPERTY_UINT:
        fputs("a number (decimal or 0x...)", out);
        property_limits(property, out);
        break;
    case RV_PROPERTY_SIZE:
        fputs("a size (decimal or 0x..., with K, M, G, T for units)", out);
        property_limits(property, out);
        break;
    case RV_PROPERTY_STRING: fputs("a string", out); break;
    case RV_PROPERTY_PATH: fputs("a path", out); break;
    case RV_PROPERTY_ENUM:
        fputs("one of ", out);
        for (unsigned i = 0; property->choices[i]; i++)
            fprintf(out, "%s%s", i ? ", " : "", property->choices[i]);
        break;
    }
}

char *property_help_text(const struct rv_property *property)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    property_help(property, out);
    fclose(out);
    return text;
}

bool property_name_valid(const char *name)
{
    size_t len;

    if (!name)
        return false;
    len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.");
    return len > 0 && len <= PROPERTY_NAME_MAX && name[len] == '\0';
}

static const char *property_check_one(const struct rv_property *p)
{
    if (!property_name_valid(p->name))
        return "a property's name is not made of a-z, 0-9, '-', '_' and '.'";
    if (p->type > RV_PROPERTY_PATH)
        return "a property's type is unknown";
    if (!p->help)
        return "a property has no help text";
    if (p->type == RV_PROPERTY_ENUM && (!p->choices || !p->choices[0]))
        return "a property of type ENUM has no choices";
    if (p->max && p->min > p->max)
        return "a property's minimum is above its maximum";
    if (p->required)
        return p->value ? "a property is required and has a default" : NULL;
    if (!p->value)
        return p->type == RV_PROPERTY_STRING || p->type == RV_PROPERTY_PATH
                   ? NULL
                   : "a property is neither required nor has a default";
    return property_valid(p, p->value) ? NULL : "a property's default is not of its type";
}

const char *property_check(const struct rv_property *properties)
{
    for (const struct rv_property *p = properties; p && p->name; p++) {
        const char *wrong = property_check_one(p);

        if (wrong)
            return wrong;
        if (property_find(properties, p->name, strlen(p->name)) != p - properties)
            return "a property is there twice";
    }
    return NULL;
}

int property_find(const struct rv_property *properties, const char *name, size_t len)
{
    for (int i = 0; properties && properties[i].name; i++)
        if (strlen(properties[i].name) == len && memcmp(properties[i].name, name, len) == 0)
            return i;
    return -1;
}

char *property_names(const struct rv_property *properties)
{
    char *names = NULL;
    size_t size;
    FILE *out;

    if (!properties || !properties->name)
        return NULL;
    out = open_memstream(&names, &size);
    if (!out)
        return NULL;
    for (const struct rv_property *p = properties; p->name; p++)
        fprintf(out, "%s%s", p == properties ? "" : ", ", p->name);
    fclose(out);
    return names;
}
