/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * run.c - penstock run, and penstock dev: a host, with or without a database of its own.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_priv.h"
#include "host/host.h"
#include "worker/worker.h"

static int
run_host(struct cli *cli, bool dev)
{
	struct host_options options = {
		.config = cli->config,
		.config_path = cli->config_path,
		.overrides = cli->overrides,
		.n_overrides = cli->n_overrides,
		.dev = dev,
	};
	struct fault fault = { 0 };

	return host_run(&options, &fault) == OK ? CLI_OK : cli_fail(&fault);
}

static void
override_size(struct cli *cli, const char *name)
{
	if (cli_flag(cli, name))
		cli_override(cli, name, cli_value(cli, name));
}

int
run_command(struct cli *cli)
{
	int end;

	override_size(cli, "workers");
	override_size(cli, "processes");
	end = cli_config(cli);
	return end == CLI_OK ? run_host(cli, false) : end;
}

/* ---- dev ---- */

struct dev {
	char *folder; /* absolute */
	struct db_local *local;
};

static int
make_folder(struct dev *d, const char *name)
{
	struct fault fault = { 0 };
	char path[PATH_MAX];

	if (file_mkdirs(name, 0755, &fault) != OK)
		return cli_fail(&fault);
	if (!realpath(name, path)) {
		fault_errno(&fault, errno, "cannot find %s", name);
		return cli_fail(&fault);
	}
	d->folder = mem_dup(path);
	return CLI_OK;
}

/* Settings that must not touch what an installed host uses. */
static void
stay_inside(struct cli *cli, const struct dev *d, char *paths[2])
{
	paths[0] = mem_printf("%s/state", d->folder);
	paths[1] = mem_printf("%s/run", d->folder);
	cli_override(cli, "state_dir", paths[0]);
	cli_override(cli, "run_dir", paths[1]);
	cli_override(cli, "strict_files", "false");
	cli_override(cli, "pooler", "none"); /* the database is its own, too */
}

static int
prepare_database(struct cli *cli, struct dev *d)
{
	struct fault fault = { 0 };
	struct db_options options = { .application = "penstock dev" };
	char *data = mem_printf("%s/postgres", d->folder);
	struct db *db;
	enum status st = db_local_start(data, true, &d->local, &fault);
	int end;

	free(data);
	if (st == OK) {
		options.conninfo = db_local_admin(d->local);
		st = db_open(&options, &db, &fault);
	}
	if (st != OK)
		return cli_fail(&fault);
	end = cli_migrate_up(cli, db);
	/* before others learn where the database is, so that they can enqueue at once */
	if (end == CLI_OK && register_config(db, cli->config, &fault) != OK)
		end = cli_fail(&fault);
	db_close(db);
	if (end != CLI_OK)
		return end;
	if (db_local_roles(d->local, &fault) != OK)
		return cli_fail(&fault);
	free(cli->config->set.database);
	cli->config->set.database = mem_dup(db_local_host(d->local));
	cli_override(cli, "database", cli->config->set.database); /* for a reload */
	return CLI_OK;
}

/* What other commands need to find this one. */
static int
write_env(const struct cli *cli, const struct dev *d)
{
	const struct settings *set = &cli->config->set;
	char conf[PATH_MAX] = "", *path = mem_printf("%s/env", d->folder);
	struct fault fault = { 0 };
	struct buf text;
	enum status st;

	buf_init(&text);
	if (cli->config->path && realpath(cli->config->path, conf))
		buf_printf(&text, "export PENSTOCK_CONF='%s'\n", conf);
	buf_printf(&text,
	           "export PENSTOCK_DATABASE=\"%s\"\n"
	           "export PENSTOCK_ADMIN=\"%s\" # the superuser, for psql\n"
	           "export PENSTOCK_STATE_DIR='%s'\nexport PENSTOCK_RUN_DIR='%s'\n"
	           "export PENSTOCK_STRICT_FILES=false\n",
	           set->database, db_local_admin(d->local), set->state_dir, set->run_dir);
	st = file_write(path, text.data, text.len, 0644, &fault);
	buf_done(&text);
	free(path);
	return st == OK ? CLI_OK : cli_fail(&fault);
}

static int
run_dev(struct cli *cli, struct dev *d)
{
	int end = prepare_database(cli, d);

	if (end == CLI_OK)
		end = write_env(cli, d);
	if (end != CLI_OK)
		return end;
	cli_say(
	    cli,
	    "a private PostgreSQL runs in %s; in another terminal:\n\n    . %s/env\n    penstock status\n\n"
	    "Ctrl-C ends everything.",
	    d->folder, d->folder);
	return run_host(cli, true);
}

int
dev_command(struct cli *cli)
{
	const char *name = cli_value(cli, "data");
	struct dev d = { 0 };
	char *paths[2] = { NULL, NULL };
	int end = make_folder(&d, name ? name : "penstock-dev");

	if (end != CLI_OK)
		return end;
	override_size(cli, "workers");
	stay_inside(cli, &d, paths);
	end = cli_config(cli);
	if (end == CLI_OK)
		end = run_dev(cli, &d);
	db_local_stop(d.local);
	free(d.folder);
	free(paths[0]);
	free(paths[1]);
	return end;
}
