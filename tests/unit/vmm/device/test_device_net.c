/* SPDX-License-Identifier: BSD-2-Clause */
/* Network back ends as a device gets them: any card, and one that does it wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "tests/unit/support/device_fixture.h"
#include "vmm/device/device_internal.h"
#include "vmm/net/net_address.h"

#define FRAME (RV_NET_HEADER_BYTES + 60u)

static char folder[32], path[48], spec[80];
static struct rv_instance *card;
static struct net_cards cards;
static struct rv_net *net;

/* What the card was told. */
static unsigned readable, links;
static bool up;

static void card_readable(void *opaque, uint32_t pair)
{
    assert_ptr_equal(opaque, &net);
    assert_int_equal(pair, 0);
    readable++;
}

static void card_link(void *opaque, bool is_up)
{
    assert_ptr_equal(opaque, &net);
    links++;
    up = is_up;
}

static const struct rv_net_callbacks callbacks = {
    .size = sizeof(callbacks), .readable = card_readable, .link = card_link};
static const struct rv_net_options options = {
    .size = sizeof(options), .pairs = 1, .callbacks = &callbacks, .opaque = &net};

static int setup_as(void **state, const char *backend)
{
    struct fixture *f = fixture_new("net/card");

    strcpy(folder, "/tmp/test-device-net-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/cable", folder);
    snprintf(spec, sizeof(spec), "card,backend=%s,path=%s", backend, path);
    net_cards_init(&cards, "test");
    f->env.cards = &cards;
    readable = links = 0;
    *state = f;
    if (device_create(&f->env, spec, &card))
        return -1;
    device_resume(card);
    return 0;
}

static int setup(void **state)
{
    return setup_as(state, "socket");
}

static int setup_another(void **state)
{
    return setup_as(state, "carrier-pigeon");
}

static int teardown(void **state)
{
    device_destroy(card);
    net_cards_free(&cards);
    fixture_free(*state);
    return rmdir(folder); /* nothing is left */
}

static void turn(struct fixture *f)
{
    for (unsigned i = 0; i < 20; i++)
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* The other end of the cable. */
static int peer(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void any_card_sends_and_receives_frames(void **state)
{
    uint8_t frame[FRAME] = {0}, wire[4 + 60] = {0, 0, 0, 60}, got[4 + 60];
    const struct iovec iov = {frame, sizeof(frame)};
    const struct rv_net_info *info;
    int fd;

    assert_int_equal(device_ops.net_open(card, &options, &net), 0);
    info = device_ops.net_info(card, net);
    assert_string_equal(info->name, "socket");
    assert_int_equal(info->pairs, 1);
    assert_int_equal(info->link, 1);
    turn(*state);
    assert_int_equal(links, 1); /* nobody is there */
    assert_false(up || info->link);
    fd = peer();
    turn(*state);
    assert_true(up && info->link);
    memset(frame + RV_NET_HEADER_BYTES, 0x5a, 60);
    assert_int_equal(device_ops.net_send(card, net, 0, &iov, 1), 0);
    assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), sizeof(got));
    assert_int_equal(got[3], 60);
    assert_memory_equal(got + 4, frame + RV_NET_HEADER_BYTES, 60);

    assert_int_equal(device_ops.net_receive(card, net, 0, &iov, 1), -EAGAIN);
    memset(wire + 4, 0x33, 60);
    assert_int_equal(send(fd, wire, sizeof(wire), 0), sizeof(wire));
    turn(*state);
    assert_int_equal(readable, 0); /* it did not want any */
    device_ops.net_want(card, net, 0, true);
    turn(*state);
    assert_true(readable > 0);
    assert_int_equal(device_ops.net_receive(card, net, 0, &iov, 1), FRAME);
    assert_memory_equal(frame + RV_NET_HEADER_BYTES, wire + 4, 60);
    close(fd);
    device_ops.net_close(card, net);
}

static void what_a_card_forgets_to_close_is_closed(void **state)
{
    int fd;

    assert_int_equal(device_ops.net_open(card, &options, &net), 0);
    turn(*state);
    fd = peer();
    turn(*state);
    capture();
    device_destroy(card);
    card = NULL;
    release();
    assert_string_equal(messages, ""); /* its watches and timers go with it */
    assert_int_equal(access(path, F_OK), -1);
    close(fd);
}

static void misuse_is_told_and_harms_nobody(void **state)
{
    uint8_t frame[FRAME] = {0};
    const struct iovec iov = {frame, sizeof(frame)}, little = {frame, RV_NET_HEADER_BYTES};
    struct rv_net_options wrong = options;

    capture();
    wrong.pairs = RV_NET_PAIRS_MAX + 1;
    assert_int_equal(device_ops.net_open(card, &wrong, &net), -EINVAL);
    wrong = options;
    wrong.callbacks = NULL;
    assert_int_equal(device_ops.net_open(card, &wrong, &net), -EINVAL);
    assert_int_equal(device_ops.net_open(card, &options, &net), 0);
    assert_int_equal(device_ops.net_send(card, net, 1, &iov, 1), 0);
    assert_int_equal(device_ops.net_send(card, net, 0, &little, 1), 0);
    assert_int_equal(device_ops.net_receive(card, net, 1, &iov, 1), -EAGAIN);
    device_ops.net_want(card, net, 8, true);
    assert_int_equal(device_ops.net_set_pairs(card, net, 0), -EINVAL);
    assert_int_equal(device_ops.net_set_pairs(card, net, 2), -EINVAL);
    device_ops.net_close(card, net);
    device_ops.net_close(card, net);
    release();
    assert_non_null(strstr(messages, "a bug of the plugin"));
}

static void a_back_end_of_another_name_is_refused(void **state)
{
    capture();
    assert_int_equal(device_ops.net_open(card, &options, &net), -EINVAL);
    release();
    assert_non_null(strstr(messages, "user, tap, socket"));
}

static void an_address_is_the_users_or_the_guests(void **state)
{
    static const uint8_t given[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    uint8_t own[6], again[6];
    struct net_cards same;

    assert_int_equal(device_ops.net_address(card, "52:54:00:12:34:56", own), 0);
    assert_memory_equal(own, given, sizeof(own));
    /* The first card counts, whoever has given its address. */
    assert_int_equal(device_ops.net_address(card, NULL, own), 0);
    net_cards_init(&same, "test");
    net_cards_next(&same, again);
    assert_memory_not_equal(own, again, sizeof(own));
    net_cards_next(&same, again);
    assert_memory_equal(own, again, sizeof(own));
    capture();
    assert_int_equal(device_ops.net_address(card, "52:54", own), -EINVAL);
    release();
    assert_non_null(strstr(messages, "'52:54'"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_card_sends_and_receives_frames),
        TEST(what_a_card_forgets_to_close_is_closed),
        TEST(misuse_is_told_and_harms_nobody),
        cmocka_unit_test_setup_teardown(a_back_end_of_another_name_is_refused, setup_another,
                                        teardown),
        TEST(an_address_is_the_users_or_the_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
