/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/option_json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/util/log.h"
#include "vmm/util/write_all.h"

#define FILE_MAX (1u << 20) /* bytes of a configuration */

/* Where the next byte of it is read. */
struct copy {
    int fd;
    off_t at;
};

static bool may_be_several(const struct option_row *row)
{
    return row->repeats || row->type == OPTION_LIST;
}

static bool takes_none(const struct option_row *row)
{
    return !row->argument || row->argument[0] == '[';
}

/*
 * Reading
 */

/* What the command line would have: NULL is no value. -EINVAL: the option takes no such thing. */
static int value_text(const struct option_row *row, json_t *value, json_t *keep, const char **text)
{
    json_t *digits;

    *text = NULL;
    if (json_is_true(value))
        return takes_none(row) ? 0 : -EINVAL;
    if (!row->argument)
        return -EINVAL;
    if (json_is_string(value)) {
        json_array_append(keep, value);
        *text = json_string_value(value);
        return 0;
    }
    if (!json_is_integer(value))
        return -EINVAL;
    digits = json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    *text = json_string_value(digits);
    return json_array_append_new(keep, digits) ? -EINVAL : 0;
}

static const char *form_of(const struct option_row *row)
{
    if (!row->argument)
        return may_be_several(row) ? "true, false or an array of true" : "true or false";
    if (takes_none(row))
        return may_be_several(row) ? "true, a text, or an array of these" : "true or a text";
    return may_be_several(row) ? "a text, or an array of texts" : "a text or an integer";
}

static int apply_one(struct option_set *set, const struct option_row *row, json_t *value,
                     json_t *keep, const char *file)
{
    const char *text;

    if (value_text(row, value, keep, &text)) {
        log_error("%s: key '%s' is to be %s", file, row->name, form_of(row));
        return -EINVAL;
    }
    if (option_apply(set, row, text)) {
        log_error("%s: the value of key '%s' is wrong", file, row->name);
        return -EINVAL;
    }
    return 0;
}

static int apply_key(struct option_set *set, const struct option_row *row, json_t *value,
                     json_t *keep, const char *file)
{
    json_t *item;
    size_t i;

    if (json_is_false(value) && !row->argument)
        return 0;
    if (!json_is_array(value) || !may_be_several(row))
        return apply_one(set, row, value, keep, file);
    json_array_foreach(value, i, item)
    {
        if (apply_one(set, row, item, keep, file))
            return -EINVAL;
    }
    return 0;
}

int option_json_apply(struct option_set *set, json_t *root, json_t *keep, const char *file)
{
    uint64_t given = set->given;
    const char *key;
    json_t *value;

    json_object_foreach(root, key, value)
    {
        const struct option_row *row = option_find(set, key);

        if (!row || row->not_in_file) {
            log_error("%s: there is no key '%s'; 'vmm help run' lists the options", file, key);
            return -EINVAL;
        }
        if (given >> (row - set->rows) & 1)
            continue; /* the command line has the last word */
        if (apply_key(set, row, value, keep, file))
            return -EINVAL;
    }
    return 0;
}

/* 0 or -errno. */
static int copy_all(int from, int to)
{
    char data[4096];
    size_t size = 0;
    ssize_t n;

    while ((n = read(from, data, sizeof(data))) != 0) {
        int error = n < 0 ? (errno == EINTR ? 0 : -errno) : write_all(to, data, (size_t)n);

        size += n > 0 ? (size_t)n : 0;
        if (error || size > FILE_MAX)
            return error ? error : -EFBIG;
    }
    return 0;
}

int option_json_open(const char *file)
{
    int from = open(file, O_RDONLY | O_CLOEXEC), copy = -1;
    int error = from < 0 ? -errno : 0;

    if (!error)
        copy = memfd_create("config", MFD_CLOEXEC);
    if (!error)
        error = copy < 0 ? -errno : copy_all(from, copy);
    if (from >= 0)
        close(from);
    if (!error)
        return copy;
    log_error("config '%s': %s", file, strerror(-error));
    if (copy >= 0)
        close(copy);
    return error;
}

static size_t read_more(void *buffer, size_t size, void *opaque)
{
    struct copy *copy = opaque;
    ssize_t n = pread(copy->fd, buffer, size, copy->at);

    copy->at += n > 0 ? n : 0;
    return n < 0 ? (size_t)-1 : (size_t)n;
}

int option_json_read(struct option_set *set, const char *file, int copy, json_t *keep)
{
    json_error_t error;
    json_t *root =
        json_load_callback(read_more, &(struct copy){.fd = copy}, JSON_REJECT_DUPLICATES, &error);
    int result = -EINVAL;

    if (!root)
        log_error("%s: line %d: %s", file, error.line, error.text);
    else if (!json_is_object(root))
        log_error("%s: it is to be one JSON object, with a key for each option", file);
    else
        result = option_json_apply(set, root, keep, file);
    json_decref(root);
    return result;
}

/*
 * Writing
 */

/* A text that is not UTF-8 cannot be told. */
static json_t *recorded(const struct option_row *row, const char *value)
{
    if (!value)
        return json_true();
    if (row->type == OPTION_NUMBER)
        return json_integer(strtoll(value, NULL, 10));
    return json_string(value);
}

void option_json_record(json_t *record, const struct option_row *row, const char *value)
{
    json_t *item = recorded(row, value), *list = json_object_get(record, row->name);

    if (!item)
        return;
    if (row->type != OPTION_LIST && !row->device) {
        json_object_set_new(record, row->name, item); /* if it repeats, the last one counts */
        return;
    }
    if (!list) {
        list = json_array();
        json_object_set_new(record, row->name, list);
    }
    json_array_append_new(list, item);
}

/*
 * The schema
 */

static json_t *value_schema(const struct option_row *row)
{
    if (!row->argument)
        return json_pack("{s:s}", "type", "boolean");
    if (takes_none(row))
        return json_pack("{s:[{s:b}, {s:s}]}", "anyOf", "const", 1, "type", "string");
    if (row->type == OPTION_NUMBER)
        return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)row->min,
                         "maximum", (json_int_t)row->max);
    return json_pack("{s:[s, s]}", "type", "string", "integer");
}

static json_t *row_schema(const struct option_row *row)
{
    json_t *value = value_schema(row), *schema = value;

    if (may_be_several(row))
        schema = json_pack("{s:[O, {s:s, s:o}]}", "anyOf", value, "type", "array", "items", value);
    json_object_set_new(schema, "description", json_string(row->help));
    return schema;
}

json_t *option_json_schema(const struct option_set *set, const char *title)
{
    json_t *properties = json_object();

    for (unsigned i = 0; i < set->count; i++) {
        if (!set->rows[i].not_in_file)
            json_object_set_new(properties, set->rows[i].name, row_schema(&set->rows[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:b, s:o}", "$schema",
                     "https://json-schema.org/draft/2020-12/schema", "title", title, "type",
                     "object", "additionalProperties", 0, "properties", properties);
}
