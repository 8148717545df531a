/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_find.c - from a plugin's name to its file.
 */
#include "stage/stage_priv.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names of the plugins in the folders, for a suggestion. */
struct names {
	char **name;
	size_t n;
};

static void
collect_names(const char *folder, size_t len, struct names *names)
{
	char *path = mem_dupn(folder, len);
	DIR *dir = opendir(path);
	struct dirent *entry;

	free(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)) != NULL && names->n < 1000) {
		size_t n = strlen(entry->d_name);

		if (n <= 3 || strcmp(entry->d_name + n - 3, ".so") != 0)
			continue;
		names->name = mem_array(names->name, names->n + 1, sizeof *names->name);
		names->name[names->n++] = mem_dupn(entry->d_name, n - 3);
	}
	closedir(dir);
}

static enum status
not_found(const char *plugin_path, const char *plugin, struct fault *fault)
{
	struct names names = { NULL, 0 };
	const char *nearest;

	for (const char *p = plugin_path; *p; p += strcspn(p, ":"), p += *p == ':')
		collect_names(p, strcspn(p, ":"), &names);
	fault_set(fault, NOT_FOUND, "there is no plugin %s.so in %s", plugin, plugin_path);
	nearest = text_nearest(plugin, (const char *const *)names.name, names.n);
	if (nearest)
		fault_hint(fault, "did you mean '%s'?", nearest);
	else
		fault_hint(fault, "the setting plugin_path names the folders that are searched");
	stage_split_free(names.name, names.n);
	return NOT_FOUND;
}

enum status
stage_find(const char *plugin_path, const char *plugin, char **ret_path, struct fault *fault)
{
	if (!*plugin || *plugin == '.' || strchr(plugin, '/'))
		return fault_set(fault, INVALID,
		                 "'%s' is not the name of a plugin: give it without folder and .so",
		                 plugin);
	for (const char *p = plugin_path; *p; p += strcspn(p, ":"), p += *p == ':') {
		int len = (int)strcspn(p, ":");
		char *path;

		if (len == 0)
			continue;
		path = mem_printf("%.*s/%s.so", len, p, plugin);
		if (access(path, F_OK) == 0) {
			*ret_path = path;
			return OK;
		}
		free(path);
	}
	return not_found(plugin_path, plugin, fault);
}

char *
stage_migrations(const char *path)
{
	char *folder = mem_printf("%.*s.migrations", (int)(strlen(path) - strlen(".so")), path);
	struct stat found;

	if (stat(folder, &found) == 0 && S_ISDIR(found.st_mode))
		return folder;
	free(folder);
	return NULL;
}

void
stage_split(const char *text, char ***ret_words, size_t *ret_n)
{
	char **words = NULL;
	size_t n = 0;

	while (*text) {
		size_t len = strcspn(text, ","), first = 0, last = len;

		while (first < last && (text[first] == ' ' || text[first] == '\t'))
			first++;
		while (last > first && (text[last - 1] == ' ' || text[last - 1] == '\t'))
			last--;
		if (last > first) {
			words = mem_array(words, n + 1, sizeof *words);
			words[n++] = mem_dupn(text + first, last - first);
		}
		text += len + (text[len] == ',');
	}
	*ret_words = words;
	*ret_n = n;
}

void
stage_split_free(char **words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(words[i]);
	free(words);
}
