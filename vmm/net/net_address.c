/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/net_address.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/util/hash.h"

#define ADDRESS_GUESTS_MAX 4096u /* of one user, without names */

/*
 * The lowest free number. A number is taken by a name in the kernel's abstract name space,
 * which ends with the process that has bound it. -1: there is none.
 */
static int address_number(int *fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n;

    *fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (n = 0; *fd >= 0 && n < (int)ADDRESS_GUESTS_MAX; n++) {
        int len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
                           "ringvisor-guest-%u-%d", (unsigned)getuid(), n);

        if (bind(*fd, (const struct sockaddr *)&address,
                 (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 + (socklen_t)len) == 0)
            return n;
    }
    return -1;
}

static uint64_t address_of_host(void)
{
    char text[128] = "";
    int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
    uint64_t hash;

    if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    if (fd >= 0)
        close(fd);
    hash = hash_text(HASH_START, text);
    gethostname(text, sizeof(text) - 1);
    return hash_text(hash, text);
}

void net_cards_init(struct net_cards *cards, const char *name)
{
    *cards = (struct net_cards){.name = name, .number_fd = -1};
}

static void cards_identify(struct net_cards *cards)
{
    char text[32];
    int number;

    if (cards->name) {
        cards->guest = hash_text(HASH_START, cards->name);
        return;
    }
    number = address_number(&cards->number_fd);
    snprintf(text, sizeof(text), "%u %d", (unsigned)getuid(), number);
    cards->guest = hash_text(address_of_host(), text);
    /* Without a number it cannot be told from others: better another address at each start. */
    if (number < 0 && getrandom(&cards->guest, sizeof(cards->guest), 0) < 0)
        cards->guest += (uint64_t)getpid();
}

void net_cards_free(struct net_cards *cards)
{
    if (cards->number_fd >= 0)
        close(cards->number_fd);
    cards->number_fd = -1;
}

void net_cards_next(struct net_cards *cards, uint8_t address[NET_ADDRESS_BYTES])
{
    uint64_t hash;

    if (cards->count++ == 0)
        cards_identify(cards);
    hash = hash_mix(cards->guest + hash_mix(cards->count));
    for (unsigned i = 0; i < NET_ADDRESS_BYTES; i++)
        address[i] = (uint8_t)(hash >> 8 * i);
    address[0] = (uint8_t)((address[0] & ~1u) | 2u); /* one host's, and locally administered */
}

bool net_address_parse(const char *text, uint8_t address[NET_ADDRESS_BYTES])
{
    unsigned sum = 0;
    int end = 0;

    if (strlen(text) != 17 ||
        sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &address[0], &address[1], &address[2],
               &address[3], &address[4], &address[5], &end) != 6 ||
        end != 17)
        return false;
    for (unsigned i = 0; i < NET_ADDRESS_BYTES; i++)
        sum += address[i];
    return sum != 0 && !(address[0] & 1);
}
