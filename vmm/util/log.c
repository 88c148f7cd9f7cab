/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/util/log_internal.h"

#define LOG_TEXT_MAX 1024 /* bytes of one message; more is cut */

static const struct {
    const char *name;
    const char *prefix;
} log_levels[] = {
    [LOG_ERROR] = {"error", "vmm: error: "},
    [LOG_WARN] = {"warn", "vmm: warning: "},
    [LOG_INFO] = {"info", "vmm: "},
    [LOG_DEBUG] = {"debug", "vmm: debug: "},
};

#define LOG_LEVELS (sizeof(log_levels) / sizeof(log_levels[0]))

static enum log_level log_level = LOG_INFO;

static _Thread_local struct {
    char *text; /* NULL: nobody wants it */
    size_t size;
} kept;

int log_set_level(const char *name)
{
    for (size_t i = 0; i < LOG_LEVELS; i++) {
        if (strcmp(name, log_levels[i].name) == 0) {
            log_level = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool log_enabled(enum log_level level)
{
    return level <= log_level;
}

void log_keep_error(char *text, size_t size)
{
    kept.text = text;
    kept.size = size;
    if (text)
        text[0] = '\0';
}

/*
 * Does stderr's terminal leave "\n" alone? Asked anew each time: the console
 * switches modes, and so does a shell while we are stopped.
 */
static bool log_needs_cr(void)
{
    struct termios mode;

    return tcgetattr(STDERR_FILENO, &mode) == 0 && !(mode.c_oflag & OPOST);
}

/* Text of a guest or a plugin may get here: it is not to drive the user's terminal. */
static char log_printable(char c)
{
    unsigned char u = (unsigned char)c;

    return c == '\t' || (u >= 0x20 && u != 0x7f) ? c : '?';
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    int saved_errno = errno;
    char text[LOG_TEXT_MAX];
    char line[LOG_TEXT_MAX + 32];
    const char *prefix, *end;
    bool cr;
    va_list ap;

    if ((unsigned)level >= LOG_LEVELS || !log_enabled(level))
        return;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0)
        return;

    if (level == LOG_ERROR && kept.text && !kept.text[0])
        snprintf(kept.text, kept.size, "%s", text);
    cr = log_needs_cr();
    prefix = log_levels[level].prefix;
    for (const char *p = text; *p != '\0'; p = *end == '\n' ? end + 1 : end) {
        size_t len = strlen(prefix);

        end = strchrnul(p, '\n');
        memcpy(line, prefix, len);
        for (const char *c = p; c < end; c++)
            line[len++] = log_printable(*c);
        if (cr)
            line[len++] = '\r';
        line[len++] = '\n';
        log_output(line, len); /* one write per line: lines of two processes do not mix */
    }
    errno = saved_errno;
}

/*
 * log_first: a fixed hash table with a quota for each kind, so that a guest
 * that sweeps the address space does not hide the other kinds. The quotas
 * together are less than the table, so a probe always ends at a free slot.
 */
#define LOG_FIRST_SLOTS 1024u
#define LOG_FIRST_KINDS 4u
#define LOG_FIRST_QUOTA 192u

_Static_assert((LOG_FIRST_KINDS + 1) * LOG_FIRST_QUOTA < LOG_FIRST_SLOTS, "a slot stays free");
_Static_assert(LOG_KIND_EXIT + 1 == LOG_FIRST_KINDS, "a quota for each kind");

struct log_seen {
    uint64_t key;
    unsigned kind;
    bool used;
};

static struct log_seen log_seen[LOG_FIRST_SLOTS];
static unsigned log_seen_count[LOG_FIRST_KINDS + 1]; /* the last: all unnamed kinds */

bool log_first(unsigned kind, uint64_t key)
{
    /* Fibonacci hashing: the upper bits are mixed best. */
    uint64_t hash = (key ^ ((uint64_t)kind << 58)) * 0x9e3779b97f4a7c15u;
    uint32_t slot = (uint32_t)(hash >> 54);
    unsigned quota = kind < LOG_FIRST_KINDS ? kind : LOG_FIRST_KINDS;

    _Static_assert(LOG_FIRST_SLOTS == 1u << (64 - 54), "the shift gives a slot");
    while (log_seen[slot].used) {
        if (log_seen[slot].key == key && log_seen[slot].kind == kind)
            return false;
        slot = (slot + 1) % LOG_FIRST_SLOTS;
    }
    if (log_seen_count[quota] == LOG_FIRST_QUOTA)
        return false;
    if (++log_seen_count[quota] == LOG_FIRST_QUOTA)
        log_warn("too many different messages of this kind: the next is the last");
    log_seen[slot] = (struct log_seen){.key = key, .kind = kind, .used = true};
    return true;
}
