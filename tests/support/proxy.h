/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy.h - stands between libpq and the server and cuts where a test says.
 *
 * A thread in the test's own process that reads the protocol's frames, so
 * that "after the third Sync" is a place and not a matter of timing.
 */
#ifndef TESTS_PROXY_H
#define TESTS_PROXY_H

#include "base/base.h"

struct proxy;
enum proxy_side { PROXY_CLIENT, PROXY_SERVER }; /* who sends the message */
enum proxy_place { PROXY_BEFORE, PROXY_WITHIN, PROXY_AFTER };

/* In front of the server that conninfo names by its socket's folder. */
struct proxy *proxy_start(const char *conninfo);
const char *proxy_conninfo(const struct proxy *proxy);
void proxy_stop(struct proxy *proxy); /* takes NULL */

/* Ends the connection, once, at the nth message from now that `side` sends. type: the byte that it
 * begins with ('S' sync and 'P' parse from the client, 'Z' ready and 'C' complete from the server),
 * 0: any. before: the other side never gets that message. After: it gets it, and no answer comes
 * back. */
void proxy_cut(struct proxy *proxy, enum proxy_side side, char type, int nth, bool before);
/* From now on a client whose connection is cut in front of a message of the server is told so as a
 * pooler does it that lost the server: by a FATAL error, in place of the message. */
void proxy_tell_cuts(struct proxy *proxy);
/* From now on messages of this type by this side are lost, and nothing else is. */
void proxy_swallow(struct proxy *proxy, enum proxy_side side, char type);
/* As proxy_cut(), of connections with this application_name only, which must stay valid; startup
 * included. Within: the other side gets the message's head and half of its body. */
void proxy_cut_of(struct proxy *proxy, const char *application, enum proxy_side side, int nth,
                  enum proxy_place place);
/* Ends the connections with this application_name now, wherever they are. */
void proxy_drop(struct proxy *proxy, const char *application);
/* Has the cut come to pass? It stays armed until it does. */
bool proxy_was_cut(struct proxy *proxy);
/* Takes back a cut that did not come to pass; true: it did. */
bool proxy_cut_done(struct proxy *proxy);
/* Messages since the last call, startup included. */
int proxy_count(struct proxy *proxy, enum proxy_side side);
int proxy_count_of(struct proxy *proxy, const char *application, enum proxy_side side);

#endif
