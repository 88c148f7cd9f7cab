/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/journal.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"
#include "vmm/keeper/kept_memory.h"
#include "vmm/util/log.h"

#define KEPT_JOURNAL "journal"

static void journal_begin(struct journal *journal)
{
    journal->version = JOURNAL_VERSION;
    journal->size = sizeof(*journal);
    for (unsigned i = 0; i < RV_MAX_PCPUS; i++)
        pcpu_journal_init(&journal->pcpu[i]);
    journal->magic = JOURNAL_MAGIC;
}

static bool journal_is_ours(const struct journal *journal)
{
    return journal->magic == JOURNAL_MAGIC && journal->version == JOURNAL_VERSION &&
           journal->size == sizeof(*journal);
}

/* One that the rings could have brought. Type 0: none. */
static bool journal_event_is_whole(const struct rv_event *event)
{
    return event->type <= RV_EVENT_REFILL &&
           (event->vcpu < RV_MAX_VCPUS || event->vcpu == RV_NO_VCPU);
}

static bool journal_pcpu_is_whole(const struct pcpu_journal *journal)
{
    if (journal->last - journal->first > JOURNAL_DEFERRED || journal->phase > JOURNAL_REPLYING ||
        !journal_event_is_whole(&journal->current))
        return false;
    for (uint32_t at = journal->first; at != journal->last; at++)
        if (!journal_event_is_whole(&journal->deferred[at % JOURNAL_DEFERRED]))
            return false;
    return true;
}

bool journal_is_whole(const struct journal *journal)
{
    bool whole = journal_is_ours(journal);

    for (unsigned i = 0; whole && i < RV_MAX_PCPUS; i++)
        whole = journal_pcpu_is_whole(&journal->pcpu[i]);
    return whole;
}

/* Of zeros, as it is made: a worker died before it could begin one, and so before it did anything. */
static bool journal_is_new(const struct journal *journal)
{
    return !journal->magic && !journal->version && !journal->size;
}

struct journal *journal_open(bool *found)
{
    struct journal *journal = kept_memory(sizeof(*journal), KEPT_JOURNAL);

    if (!journal) {
        log_error("the journal of exits cannot be opened");
        return NULL;
    }
    *found = !journal_is_new(journal);
    if (!*found) {
        journal_begin(journal);
    } else if (!journal_is_whole(journal)) {
        log_error("the journal of exits that was left is not of this version, or damaged");
        munmap(journal, sizeof(*journal));
        return NULL;
    }
    return journal;
}

int journal_check(void)
{
    struct journal head = {0};
    int fd = kept_get(KEPT_JOURNAL);
    ssize_t n = fd < 0 ? -1 : pread(fd, &head, offsetof(struct journal, pcpu), 0);

    if (fd >= 0)
        close(fd);
    if (n == offsetof(struct journal, pcpu) && journal_is_ours(&head))
        return 0;
    log_error("the journal of exits is of another version of the vmm");
    return -EINVAL;
}
