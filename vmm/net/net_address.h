/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ethernet addresses of network cards: unicast, locally administered, and the same at each
 * start of the guest, so that images which know their cards by address find them again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NET_ADDRESS_BYTES 6u

/* The cards of one guest. */
struct net_cards {
    const char *name; /* of the guest, or NULL */
    uint64_t guest;   /* with the first card: a hash of what the guest is known by */
    unsigned count;   /* cards that have an address */
    int number_fd;    /* holds the number of a guest without a name; -1: none */
};

/*
 * By its name, which the user must not give twice on one network. A guest without one is
 * known by the host, the user and a number: the lowest that no other running guest of this
 * user without a name and with a card has. So two of them differ, and one that runs alone keeps its addresses.
 */
void net_cards_init(struct net_cards *cards, const char *name);
void net_cards_free(struct net_cards *cards);

/* The address of the next card. */
void net_cards_next(struct net_cards *cards, uint8_t address[NET_ADDRESS_BYTES]);

/* "52:54:00:12:34:56", of one host and not 0. False: it is not one. */
bool net_address_parse(const char *text, uint8_t address[NET_ADDRESS_BYTES]);
