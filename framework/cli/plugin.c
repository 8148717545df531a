/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin.c - penstock plugin inspect and new.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli_priv.h"
#include "stage/stage.h"

enum status
cli_plugin_path(struct cli *cli, const char *name, char **ret_path, struct fault *fault)
{
	if (strchr(name, '/') || access(name, F_OK) == 0) {
		*ret_path = mem_dup(name);
		return OK;
	}
	return stage_find(cli->config->set.plugin_path, name, ret_path, fault);
}

/* ---- inspect ---- */

static void
print_options(const struct stage_manifest *m, const struct cli *cli)
{
	static const struct cli_column columns[] = { { "option", CLI_TEXT },  { "type", CLI_TEXT },
		                                     { "default", CLI_TEXT }, { "range", CLI_TEXT },
		                                     { "help", CLI_TEXT },    { NULL, CLI_TEXT } };
	struct cli_table *t = cli_table_new(columns);

	for (size_t i = 0; i < m->n_options; i++) {
		const struct stage_manifest_option *o = &m->options[i];
		char *range = o->choices[0] ? mem_dup(o->choices)
		              : o->min      ? mem_printf("%s to %s", o->min, o->max)
		                            : mem_dup("");

		cli_cell_text(t, o->name);
		cli_cell_text(t, o->type);
		cli_cell_text(t, o->required ? "(required)" : o->fallback);
		cli_cell_text(t, range);
		cli_cell_text(t, o->help);
		free(range);
	}
	if (m->n_options > 0) {
		puts("\noptions");
		cli_table_print(t, cli);
	}
	cli_table_free(t);
}

static void
print_counters(const struct stage_manifest *m, const struct cli *cli)
{
	static const struct cli_column columns[] = { { "counter", CLI_TEXT },
		                                     { "kind", CLI_TEXT },
		                                     { "unit", CLI_TEXT },
		                                     { "help", CLI_TEXT },
		                                     { NULL, CLI_TEXT } };
	struct cli_table *t = cli_table_new(columns);

	for (size_t i = 0; i < m->n_counters; i++) {
		cli_cell_text(t, m->counters[i].name);
		cli_cell_text(t, m->counters[i].kind);
		cli_cell_text(t, m->counters[i].unit);
		cli_cell_text(t, m->counters[i].help);
	}
	if (m->n_counters > 0) {
		puts("\ncounters");
		cli_table_print(t, cli);
	}
	cli_table_free(t);
}

static void
print_manifest(const struct stage_manifest *m, const char *path, const struct cli *cli)
{
	char sum[65], size[32];

	sha256_hex(&m->sum, sum);
	printf("%s %s - %s\n\n", m->name, m->version, m->summary);
	printf("%-12s %s\n%-12s %s, sha256 %.16s...\n", "file", path, "size",
	       text_bytes(m->size, size), sum);
	printf("%-12s %d.%d\n%-12s %s, %s%s%s\n", "abi", m->abi_major, m->abi_minor, "form",
	       m->form, m->threading, m->transactional ? ", transactional" : "",
	       m->reads_db ? ", reads the database" : "");
	printf("%-12s", "routes");
	for (size_t i = 0; i < m->n_routes; i++)
		printf("%s %s", i ? "," : "", m->routes[i]);
	if (m->max_in_flight > 0)
		printf("\n%-12s %lld", "in flight", (long long)m->max_in_flight);
	putchar('\n');
	print_options(m, cli);
	print_counters(m, cli);
}

/* What the file itself does not say, told behind what it does. */
static enum status
look_further(struct cli *cli, const char *path, struct fault *fault)
{
	struct fault doubt = { 0 };

	fflush(stdout);
	if (stage_trust(path, &doubt) == OK)
		return stage_loads(path, fault);
	cli_say(cli, "not asked whether its libraries and symbols are here: %s", doubt.text);
	return OK;
}

int
plugin_inspect_command(struct cli *cli)
{
	struct stage_manifest *m = NULL;
	struct fault fault = { 0 };
	char *path = NULL;
	enum status st;
	int end = cli_config(cli);

	if (end != CLI_OK)
		return end;
	st = cli_plugin_path(cli, cli->argv[0], &path, &fault);
	if (st == OK)
		st = stage_manifest_read(path, &m, &fault);
	if (st == OK && cli->json)
		puts(m->json);
	else if (st == OK)
		print_manifest(m, path, cli);
	if (st == OK)
		st = look_further(cli, path, &fault);
	stage_manifest_free(m);
	free(path);
	return st == OK ? CLI_OK : cli_fail(&fault);
}

/* ---- new ---- */

#define TEMPLATE_NAME "template" /* what a new plugin's name replaces, in texts and file names */

static bool
is_name(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > 40 || !islower((unsigned char)name[0]))
		return false;
	for (const char *p = name; *p; p++)
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_')
			return false;
	return true;
}

/* Where things are: beside the program in the source tree, else installed. The caller frees. */
static char *
place(const char *in_tree, const char *installed)
{
	char self[PATH_MAX], *path, *found;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	self[n > 0 ? n : 0] = '\0';
	*(strrchr(self, '/') ? strrchr(self, '/') : self) = '\0';
	path = mem_printf("%s/../%s", self, in_tree);
	found = realpath(path, NULL);
	free(path);
	return found ? found : mem_dup(installed);
}

static char *
template_folder(void)
{
	const char *named = getenv("PENSTOCK_TEMPLATE");

	return named ? mem_dup(named) : place("plugins/template", PENSTOCK_DATADIR "/template");
}

/* A word of the template, and what stands for it in the new plugin. */
struct replacement {
	const char *word, *by;
};

static char *
replace(const char *text, size_t len, const struct replacement *all, size_t *ret_len)
{
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < len;) {
		const struct replacement *r = all;

		while (r->word && (len - i < strlen(r->word) ||
		                   memcmp(text + i, r->word, strlen(r->word)) != 0))
			r++;
		if (r->word) {
			buf_adds(&out, r->by);
			i += strlen(r->word);
		} else {
			buf_addc(&out, text[i++]);
		}
	}
	buf_addc(&out, '\0');
	*ret_len = out.len - 1;
	return buf_steal(&out);
}

/* Of the two languages the template has a source each. */
static bool
wanted(const char *file, bool cxx)
{
	const char *dot = strrchr(file, '.');

	if (file[0] == '.')
		return false;
	if (dot && strcmp(dot, ".cc") == 0)
		return cxx;
	return !(cxx && dot && strcmp(dot, ".c") == 0 && strncmp(file, "test_", 5) != 0);
}

static enum status
copy_file(const char *from_folder, const char *file, const char *to_folder,
          const struct replacement *all, struct fault *fault)
{
	char *from = mem_printf("%s/%s", from_folder, file), *to, *new_file, *text;
	struct stat info;
	struct buf content;
	size_t len;
	enum status st;

	buf_init(&content);
	st = file_read(from, 1 << 20, &content, fault);
	if (st == OK && stat(from, &info) == 0) {
		new_file = replace(file, strlen(file), all, &len);
		text = replace(content.data, content.len, all, &len);
		to = mem_printf("%s/%s", to_folder, new_file);
		st = file_write(to, text, len, info.st_mode & 0777, fault);
		free(to);
		free(text);
		free(new_file);
	}
	buf_done(&content);
	free(from);
	return st;
}

static enum status
copy_template(const char *from, const char *to, const struct replacement *all, bool cxx,
              struct fault *fault)
{
	DIR *dir = opendir(from);
	enum status st;
	struct dirent *e;

	if (!dir) {
		fault_hint(fault, "PENSTOCK_TEMPLATE names the folder of the template");
		return fault_errno(fault, errno, "cannot read the template in %s", from);
	}
	st = file_mkdirs(to, 0755, fault);
	while (st == OK && (e = readdir(dir)) != NULL)
		if (e->d_type != DT_DIR && wanted(e->d_name, cxx))
			st = copy_file(from, e->d_name, to, all, fault);
	closedir(dir);
	return st;
}

int
plugin_new_command(struct cli *cli)
{
	const char *name = cli->argv[0], *named = cli_value(cli, "folder");
	struct fault fault = { 0 };
	char *from, *to, *include;
	enum status st;

	if (!is_name(name))
		return cli_usage(
		    cli, "a plugin's name has a-z, 0-9 and _, and begins with a letter: not `%s`",
		    name);
	to = named ? mem_dup(named) : mem_dup(name);
	if (access(to, F_OK) == 0) {
		fault_set(&fault, INVALID, "%s is there already", to);
		free(to);
		return cli_fail(&fault);
	}
	from = template_folder();
	include = place("framework", PENSTOCK_INCLUDEDIR);
	st = copy_template(from, to,
	                   (const struct replacement[]){ { TEMPLATE_NAME, name },
	                                                 { "@INCLUDE@", include },
	                                                 { "@STAGEDIR@", PENSTOCK_STAGEDIR },
	                                                 { NULL, NULL } },
	                   cli_flag(cli, "cxx"), &fault);
	free(include);
	if (st == OK)
		cli_say(
		    cli,
		    "made %s; next:\n\n    cd %s\n    make\n    make test\n    penstock plugin test ./%s.so",
		    to, to, name);
	free(from);
	free(to);
	return st == OK ? CLI_OK : cli_fail(&fault);
}
