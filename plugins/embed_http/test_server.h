/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_server.h - an endpoint of embeddings that misbehaves on request.
 *
 * The path of the URL says how: see the table in test_server.c. A good answer
 * gives a text of n bytes the vector (n, its first byte, 0, 0, ...), and the
 * entries stand in reverse order, each with its index.
 */
#ifndef TEST_SERVER_H
#define TEST_SERVER_H

#include <stdint.h>

#define SERVER_DIMENSIONS 8u

void server_start(void);
void server_stop(void);
uint16_t server_port(void);
/* All counts begin anew; /hold keeps its answers back until `hold` requests are there. */
void server_expect(unsigned hold);
/* Lets go of what /hold keeps. */
void server_release(void);
/* Each fails the test after a minute. */
void server_wait_requests(unsigned n); /* whole requests that have come */
void server_wait_given_up(unsigned n); /* connections that the client closed without an answer */
unsigned server_requests(void);
unsigned server_most_texts(void);   /* in one request */
unsigned server_most_at_once(void); /* requests without an answer */

#endif
