/* SPDX-License-Identifier: BSD-2-Clause */
/* Ethernet addresses: the same at each start, and different for each guest and card. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/net/net_address.h"

#define CARDS 4u

struct addresses {
    struct net_cards cards;
    uint8_t of[CARDS][NET_ADDRESS_BYTES];
};

static void begin(struct addresses *a, const char *name)
{
    net_cards_init(&a->cards, name);
    for (unsigned i = 0; i < CARDS; i++) {
        net_cards_next(&a->cards, a->of[i]);
        assert_int_equal(a->of[i][0] & 1, 0);
        assert_int_equal(a->of[i][0] & 2, 2);
    }
}

static bool same(const struct addresses *a, const struct addresses *b)
{
    return memcmp(a->of, b->of, sizeof(a->of)) == 0;
}

static void the_cards_of_a_named_guest_have_the_same_addresses_at_each_start(void **state)
{
    struct addresses first, second;

    begin(&first, "web");
    begin(&second, "web");
    assert_true(same(&first, &second));
    net_cards_free(&first.cards);
    net_cards_free(&second.cards);
}

static void each_guest_and_card_has_its_own(void **state)
{
    static const char *const names[] = {"a", "b", "web1", "web2", "web", "", "guest"};
    static struct addresses all[7];
    const uint8_t *flat[7 * CARDS];
    unsigned n = 0;

    for (unsigned i = 0; i < 7; i++) {
        begin(&all[i], names[i]);
        for (unsigned j = 0; j < CARDS; j++)
            flat[n++] = all[i].of[j];
        net_cards_free(&all[i].cards);
    }
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(flat[i], flat[j], NET_ADDRESS_BYTES);
}

/* The second process of the same user is here the same process: the numbers are the kernel's. */
static void guests_without_a_name_differ_and_one_alone_keeps_its_addresses(void **state)
{
    struct addresses first, second, again;

    begin(&first, NULL);
    begin(&second, NULL);
    assert_false(same(&first, &second));
    net_cards_free(&first.cards);
    begin(&again, NULL);
    assert_true(same(&first, &again));
    net_cards_free(&again.cards);
    net_cards_free(&second.cards);
}

static void addresses_are_read_and_checked(void **state)
{
    static const char *const wrong[] = {
        "",
        "52:54:00:12:34",
        "52:54:00:12:34:5",
        "52:54:00:12:34:567",
        "53:54:00:12:34:56", /* of a group */
        "00:00:00:00:00:00",
        "52-54-00-12-34-56",
        "52:54:00:12:34:5g",
        "5:254:00:12:34:56",
    };
    static const uint8_t right[] = {0x52, 0x54, 0, 0x12, 0xab, 0xcd};
    uint8_t address[NET_ADDRESS_BYTES];

    assert_true(net_address_parse("52:54:00:12:aB:Cd", address));
    assert_memory_equal(address, right, sizeof(right));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(net_address_parse(wrong[i], address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cards_of_a_named_guest_have_the_same_addresses_at_each_start),
        cmocka_unit_test(each_guest_and_card_has_its_own),
        cmocka_unit_test(guests_without_a_name_differ_and_one_alone_keeps_its_addresses),
        cmocka_unit_test(addresses_are_read_and_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
