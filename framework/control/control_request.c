/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_request.c - a line of words becomes a request. Pure.
 */
#include <string.h>

#include "control/control.h"

static const struct {
	const char *word, *arguments;
	int least, most;
	bool changes;
} commands[] = {
#define CONTROL(name, word, arguments, least, most, changes)                                       \
	{ word, arguments, least, most, changes },
#include "control/commands.def"
#undef CONTROL
};

struct word {
	const char *text;
	size_t len;
};

/* The next word, none at the end. Words are parted by blanks. */
static struct word
next_word(const char **at, const char *end)
{
	struct word w;

	while (*at < end && **at == ' ')
		(*at)++;
	w = (struct word){ *at, 0 };
	while (*at < end && **at != ' ')
		(*at)++;
	w.len = (size_t)(*at - w.text);
	return w;
}

static bool
same(struct word w, const char *text)
{
	return strlen(text) == w.len && memcmp(text, w.text, w.len) == 0;
}

/* Place of the word in a list; -1: it is not there. */
static int
place_of(struct word w, const char *list)
{
	const char *at = list, *end = list + strlen(list);

	for (int i = 0; at < end; i++) {
		struct word one = next_word(&at, end);

		if (one.len > 0 && one.len == w.len && memcmp(one.text, w.text, w.len) == 0)
			return i;
	}
	return -1;
}

static enum status
take_arguments(const char *at, const char *end, struct control_request *request,
               struct fault *fault)
{
	int n = 0;

	for (struct word w = next_word(&at, end); w.len > 0; w = next_word(&at, end), n++) {
		int place = place_of(w, commands[request->command].arguments);

		if (place < 0 || request->arguments & 1u << place)
			return fault_set(fault, INVALID, "%s does not take '%.*s' here",
			                 commands[request->command].word, (int)w.len, w.text);
		request->arguments |= 1u << place;
	}
	if (n < commands[request->command].least || n > commands[request->command].most)
		return fault_set(fault, INVALID, "%s takes %d to %d of: %s",
		                 commands[request->command].word, commands[request->command].least,
		                 commands[request->command].most,
		                 commands[request->command].arguments);
	return OK;
}

enum status
control_parse(const char *line, size_t len, struct control_request *ret, struct fault *fault)
{
	const char *at = line, *end = line + len;
	struct word command;

	if (len > CONTROL_LINE)
		return fault_set(fault, INVALID, "a request has at most %d bytes", CONTROL_LINE);
	command = next_word(&at, end);
	for (size_t i = 0; i < countof(commands); i++) {
		struct control_request request = { .command = (enum control_command)i };
		enum status st;

		if (!same(command, commands[i].word))
			continue;
		st = take_arguments(at, end, &request, fault);
		if (st == OK)
			*ret = request;
		return st;
	}
	return fault_set(fault, INVALID, "there is no command '%.*s'", (int)command.len,
	                 command.text);
}

bool
control_has(const struct control_request *request, const char *argument)
{
	const struct word w = { argument, strlen(argument) };
	int place = place_of(w, commands[request->command].arguments);

	check(place >= 0);
	return request->arguments & 1u << place;
}

bool
control_changes(enum control_command command)
{
	return commands[command].changes;
}
