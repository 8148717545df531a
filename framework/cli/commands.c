/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands.c - every command and option: help, the parser, docs/commands.md, the
 * manual pages and the completions come from here.
 */
#include "cli/cli_priv.h"

/* clang-format off */

/* What the words in capitals stand for, of options and of arguments. Others are any text. */
const struct cli_kind_of_value cli_kinds[] = {
	{ "FILE",          CLI_FILES,     NULL },
	{ "FOLDER",        CLI_FOLDERS,   NULL },
	{ "OLD",           CLI_FILES,     NULL },
	{ "NEW",           CLI_FILES,     NULL },
	{ "PIPELINE",      CLI_PIPELINES, NULL },
	{ "STAGE",         CLI_STAGES,    NULL },
	{ "COMMAND",       CLI_COMMANDS,  NULL },
	{ "SETTING=VALUE", CLI_SETTINGS,  NULL },
	{ "STATE",         CLI_WORDS,     "ready running deferred waiting dead completed discarded cancelled" },
	{ "OPEN-STATE",    CLI_WORDS,     "ready running deferred waiting" },
	{ "HELD-STATE",    CLI_WORDS,     "deferred dead" },
	{ "SHELL",         CLI_WORDS,     "bash zsh fish" },
	{ "COLUMN",        CLI_WORDS,     "order rate inside queue p99 cpu errors" },
	{ "LEVEL",         CLI_WORDS,     "debug info warning error" },
	{ "RULE",          CLI_WORDS,     "skip one all" },
	{ "SHAPE",         CLI_WORDS,     "poisson constant burst ramp" },
	{ NULL, CLI_WORDS, NULL }
};

const struct cli_option cli_global_options[] = {
	{ "config",   'c', "FILE",       "configuration; default $PENSTOCK_CONF, else " PENSTOCK_SYSCONFDIR "/penstock.conf" },
	{ "database", 'd', "DSN",        "where the database is: the setting `database`" },
	{ "set",      's', "SETTING=VALUE", "another setting; may be given more than once" },
	{ "json",     'j', NULL,         "print JSON" },
	{ "quiet",    'q', NULL,         "print data and errors only" },
	{ "no-color", 0,   NULL,         "no colours; also with NO_COLOR set" },
	{ "help",     'h', NULL,         "print help" },
	{ "version",  'V', NULL,         "print the version" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option none[] = { { NULL, 0, NULL, NULL } };

static const struct cli_option run_options[] = {
	{ "workers",   'w', "N", "worker threads of each process; default: one a core" },
	{ "processes", 'p', "N", "host processes" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option reload_options[] = {
	{ "wait",  0, NULL, "until it is done or rejected; exit code 1 and the reason when it is rejected" },
	{ "drain", 0, NULL, "stages that are removed stay until their jobs are gone" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option dev_options[] = {
	{ "data",    0,   "FOLDER", "where the private PostgreSQL lives; default ./penstock-dev" },
	{ "workers", 'w', "N",      "worker threads; default: one a core" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option migrate_down_options[] = {
	{ "component", 0,   "NAME", "penstock, or the plugin whose tables go; default penstock" },
	{ "to",        0,   "N",    "the last migration that stays; default 0: none" },
	{ "confirm",   0,   NULL,   "do it: data is lost" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option enqueue_options[] = {
	{ "body",     'b', "FILE",   "the body of the one job; - reads stdin" },
	{ "lines",    'l', "FILE",   "a job for each line, a JSON object; - reads stdin" },
	{ "folder",   'f', "FOLDER", "a job for each file below, with its path as attribute" },
	{ "priority", 'p', "N",      "-32768 to 32767, lower runs first; default 0" },
	{ "delay",    0,   "DURATION", "the one job runs so much later" },
	{ "at",       0,   "TIME",   "the one job runs not before this time, as PostgreSQL reads it" },
	{ "key",      'k', "KEY",    "the one job's idempotency key: its job is answered when there is one" },
	{ "ordering-key", 'o', "KEY", "the one job begins when those before it with this key ended" },
	{ "traceparent", 0, "ID",    "W3C trace context of the one job" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option lanes_options[] = {
	{ "pipeline", 'p', "PIPELINE", "of this pipeline only" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option jobs_options[] = {
	{ "pipeline", 'p', "PIPELINE",  "of this pipeline only" },
	{ "stage",    0,   "STAGE",  "at this stage only" },
	{ "state",    0,   "STATE", "in this state only" },
	{ "attribute", 'a', "NAME=VALUE", "that were enqueued with this attribute" },
	{ "limit",    'n', "N",     "at most so many; default 50" },
	{ NULL, 0, NULL, NULL }
};

#define JOBS_CHANGE(STATE) \
	{ "pipeline", 'p', "PIPELINE",  "of this pipeline only" }, \
	{ "stage",    0,   "STAGE",  "at this stage only" }, \
	{ "state",    0,   STATE, "in this state only" }, \
	{ "attribute", 'a', "NAME=VALUE", "that were enqueued with this attribute" }, \
	{ "dry-run",  0,   NULL,    "say how many it would be, and do nothing" }, \
	{ "confirm",  0,   NULL,    "do it" }, \
	{ NULL, 0, NULL, NULL }

static const struct cli_option jobs_cancel_options[] = { JOBS_CHANGE("OPEN-STATE") };
static const struct cli_option jobs_retry_options[] = { JOBS_CHANGE("HELD-STATE") };

static const struct cli_option job_output_options[] = {
	{ "hop",  0, "N",    "as it was after so many stages; 0: as it was enqueued; default: the last that is stored" },
	{ "body", 0, NULL,   "print the body, as it is" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option schedule_put_options[] = {
	{ "time-zone", 0,   "ZONE", "by whose clocks, like Europe/Berlin; default UTC" },
	{ "catch-up",  0,   "RULE", "times that passed while no host ran; default: one job for all of them" },
	{ "priority",  'p', "N",    "of its jobs; lower runs first, default 0" },
	{ NULL, 0, NULL, NULL }
};

#define DEAD_FILTERS \
	{ "pipeline", 'p', "PIPELINE", "of this pipeline only" }, \
	{ "stage",    0,   "STAGE", "that failed at this stage" }, \
	{ "code",     0,   "CODE", "that failed with this code" }, \
	{ "since",    0,   "TIME", "that died at this time or later, as PostgreSQL reads it" }, \
	{ "until",    0,   "TIME", "that died before this time" }, \
	{ "attribute", 'a', "NAME=VALUE", "that were enqueued with this attribute" }

static const struct cli_option dead_list_options[] = {
	DEAD_FILTERS,
	{ "limit", 'n', "N", "at most so many; default 50" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option dead_change_options[] = {
	DEAD_FILTERS,
	{ "dry-run", 0, NULL, "say how many it would be, and do nothing" },
	{ "confirm", 0, NULL, "do it" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option wait_options[] = {
	{ "timeout", 't', "DURATION", "give up after this long; default: never" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option top_options[] = {
	{ "once",  '1', NULL,       "print one frame as text, and end" },
	{ "every", 'e', "DURATION", "between two frames; default 1s" },
	{ "sort",  0,   "COLUMN",   "largest first; default as configured" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option profile_options[] = {
	{ "for", 'f', "DURATION", "how long to look; default 30s" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option baseline_record_options[] = {
	{ "for",     0, "DURATION", "how long; default 30s" },
	{ "replace", 0, NULL,       "in place of the one that has this name" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option baseline_compare_options[] = {
	{ "against",  'a', "NAME",     "the baseline that is judged; default: what runs now" },
	{ "for",      0,   "DURATION", "how long to watch what runs now; default 30s" },
	{ "fail-on",  0,   "PERCENT",  "a regression is more than this; default 5%" },
	{ "markdown", 0,   NULL,       "print a report for a pull request" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option bench_options[] = {
	{ "rate",      'r', "RATE",     "jobs a second, whatever becomes of those before; default 100" },
	{ "arrivals",  'a', "SHAPE",    "how they come: poisson (default), constant, burst or ramp" },
	{ "burst",     0,   "N",        "of burst: jobs at once; default 100" },
	{ "rate-to",   0,   "RATE",     "of ramp: the rate at its end" },
	{ "in-flight", 0,   "N",        "a closed loop instead: so many jobs in the pipeline all the time" },
	{ "for",       'f', "DURATION", "how long; default 10s" },
	{ "jobs",      'n', "N",        "how many" },
	{ "payload",   'p', "FILE",     "their attributes, a JSON object each line, in turn; - reads stdin" },
	{ "salt",      0,   "NAME",     "the attribute that makes each job another one; default bench" },
	{ "copies",    0,   "FOLDER",   "copy the file that `path` names for each job, with the salt at its end" },
	{ "drain",     0,   "DURATION", "how long to wait for the last jobs; default 60s" },
	{ "find-limit", 0,  NULL,       "raise the rate until it breaks, and say which holds" },
	{ "latency",   0,   "DURATION", "of --find-limit: the p99 that still holds; default 1s" },
	{ "svg",       0,   "FILE",     "draw latencies and rates over the time, or of --find-limit over the rate" },
	{ "record-baseline", 0, "NAME", "keep what the stages cost meanwhile" },
	{ "replace",   0,   NULL,       "the baseline of this name" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option plugin_bench_options[] = {
	{ "against",  0,   "OLD",      "the build to compare it with, call by call in random order" },
	{ "input",    'i', "FILE",     "a job a line, as for plugin test; - reads stdin" },
	{ "options",  'o', "OPTIONS",  "options of the stage, as in a pipeline" },
	{ "old-options", 0, "OPTIONS", "those of OLD, when they are others" },
	{ "call",     0,   "N",        "as many jobs in one call; default: what takes 0.1 ms" },
	{ "for",      'f', "DURATION", "how long; default 5s" },
	{ "fail-on",  0,   "PERCENT",  "of --against: a regression is more than this; default 5%" },
	{ "markdown", 0,   NULL,       "of --against: print a report for a pull request" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option plugin_test_options[] = {
	{ "attributes", 'a', "JSON",    "attributes of the input; default {}" },
	{ "body",       'b', "FILE",    "body of the input; - reads stdin" },
	{ "options",    'o', "OPTIONS", "options of the stage, as in a pipeline: 'suffix = \"?\";'" },
	{ "repeat",     'n', "N",       "run it so often, and print the time of a job" },
	{ "input",      'i', "FILE",    "many inputs instead: a job a line; - reads stdin" },
	{ "expect",     'e', "FILE",    "of --input: compare the results with these lines" },
	{ "call",       0,   "N",       "of --input: as many jobs in one call; default 1" },
	{ "fault",      'f', "FAULTS",  "of --input: what shall go wrong: alloc:N, cancel, deadline, body, full; with commas between" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option plugin_new_options[] = {
	{ "cxx",    0, NULL,     "in C++" },
	{ "folder", 0, "FOLDER", "where to put it; default ./NAME" },
	{ NULL, 0, NULL, NULL }
};

static const struct cli_option help_options[] = {
	{ "markdown", 0, NULL, "all of it, as docs/commands.md has it" },
	{ "pages",    0, NULL, "print the names of the manual's pages" },
	{ "page",     0, "PAGE", "print one of them, as scdoc(5) reads it" },
	{ NULL, 0, NULL, NULL }
};

/* least, most: arguments behind the command's words */
const struct cli_command cli_commands[] = {
	{ "run", "", "run a host: the pipelines of the configuration on worker threads",
	  "Runs until SIGTERM or SIGINT, then finishes the calls that run and hands the rest\n"
	  "back. A second signal ends it at once. Start as many hosts as you like on one database.",
	  run_options, 0, 0, run_command },
	{ "dev", "", "a host with a private PostgreSQL, for trying things; Ctrl-C ends all",
	  "Makes the database in a folder of its own, migrates it and runs the configured\n"
	  "pipelines. Other commands find it after `. FOLDER/env`. The folder keeps the jobs.",
	  dev_options, 0, 0, dev_command },
	{ "reload", "", "a running host takes the configuration as it is now, while jobs flow",
	  "New processes load, open and check everything beside the old ones; then these finish\n"
	  "the calls that run. Whatever is wrong with the configuration or a plugin leaves the\n"
	  "host as it was. A stage or pipeline that is removed and still has jobs is refused with\n"
	  "their number. Settings that only a restart changes are named. Finds the host by the\n"
	  "settings run_dir and name. SIGHUP does the same and says in the log how it ended.",
	  reload_options, 0, 0, reload_command },
	{ "host status", "", "what the host on this machine says of itself: processes, memory, connections",
	  "Asks the host itself and no database; any user may.",
	  none, 0, 0, host_status_command },
	{ "host workers", "", "what each worker of the host on this machine is in, since when, with which job",
	  "Asks the host itself and no database; any user may.",
	  none, 0, 0, host_workers_command },
	{ "host log", "LEVEL", "change what the host on this machine logs, at once",
	  "Holds until a restart, or until a reload that finds another log_level configured.",
	  none, 1, 1, host_log_command },
	{ "host stop", "", "drain the host on this machine, as SIGTERM does",
	  "Finishes the calls that run and hands the rest back. A second time ends it at once.",
	  none, 0, 0, host_stop_command },
	{ "migrate up", "", "bring the database's schema up to date", "Safe to run again, also after it was killed, and by several at once.",
	  none, 0, 0, migrate_up_command },
	{ "migrate down", "", "take migrations back; data is lost", "",
	  migrate_down_options, 0, 0, migrate_down_command },
	{ "migrate status", "", "list migrations and which are applied", "",
	  none, 0, 0, migrate_status_command },
	{ "check", "", "check the configuration and the plugins that it names",
	  "Says every problem with its file and line. Loads no plugin and asks no database.",
	  none, 0, 0, check_command },
	{ "config diff", "[OLD] NEW", "what differs between two configurations",
	  "Each is a penstock.conf or its folder; without OLD it is the active one. Says for\n"
	  "each difference whether a host takes it by a reload or needs a restart. Variables of\n"
	  "the environment and flags override both. Exit code 0 when they are the same, 1 when\n"
	  "they differ, 2 when one is broken.",
	  none, 1, 2, config_diff_command },
	{ "enqueue", "PIPELINE [ATTRIBUTES]", "put jobs into a pipeline",
	  "One job with the given attributes (a JSON object), or many with --lines or\n"
	  "--folder, streamed in batches of 10 000. Prints the ids.",
	  enqueue_options, 1, 2, enqueue_command },
	{ "status", "[PIPELINE]", "where jobs are, hosts, stages, and why jobs ended without success", "",
	  none, 0, 1, status_command },
	{ "lanes", "", "the queue in front of each stage",
	  "Of a lane with very many parcels that no host packed yet, ready and parcels are estimated,\n"
	  "and it says so.",
	  lanes_options, 0, 0, lanes_command },
	{ "hosts", "", "living hosts", "", none, 0, 0, hosts_command },
	{ "jobs", "", "list jobs, newest first", "", jobs_options, 0, 0, jobs_command },
	{ "jobs cancel", "", "end waiting jobs as cancelled, and ask running ones to end",
	  "Running jobs end behind the stage that they are in, unless they complete there.\n"
	  "Needs --confirm, or --dry-run.",
	  jobs_cancel_options, 0, 0, jobs_cancel_command },
	{ "jobs retry", "", "run deferred jobs now, and replay dead ones",
	  "Needs --confirm, or --dry-run.",
	  jobs_retry_options, 0, 0, jobs_retry_command },
	{ "job show", "ID", "one job: where it is, its message, its failures", "",
	  none, 1, 1, job_show_command },
	{ "job cancel", "ID", "end one job as cancelled, or ask it to end if it runs", "",
	  none, 1, 1, job_cancel_command },
	{ "job retry", "ID", "run a deferred job now, or replay a dead one", "",
	  none, 1, 1, job_retry_command },
	{ "job output", "ID", "print the message that a job has by now",
	  "Its attributes; with --body its body. Exit code 1 when it has none there.",
	  job_output_options, 1, 1, job_output_command },
	{ "dead list", "", "dead letters and why they died, newest first", "", dead_list_options, 0, 0, dead_list_command },
	{ "dead show", "ID", "one dead letter: its message, its failures", "", none, 1, 1, job_show_command },
	{ "dead replay", "[ID]", "dead letters begin again at the stage where they failed",
	  "One by its ID, or those that the filters mean with --confirm, or --dry-run.",
	  dead_change_options, 0, 1, dead_replay_command },
	{ "dead purge", "[ID]", "give dead letters up: they end as cancelled",
	  "One by its ID, or those that the filters mean with --confirm, or --dry-run.",
	  dead_change_options, 0, 1, dead_purge_command },
	{ "pause", "PIPELINE [STAGE]", "no host begins jobs there any more, until resume",
	  "What runs is finished; enqueue goes on. Holds on every host once it has said so.",
	  none, 1, 2, pause_command },
	{ "resume", "PIPELINE [STAGE]", "end a pause", "", none, 1, 2, resume_command },
	{ "schedule list", "", "jobs that come by the clock, the next one first", "", none, 0, 0, schedule_list_command },
	{ "schedule put", "NAME PIPELINE CRON [ATTRIBUTES]", "make or change a schedule",
	  "CRON is minute, hour, day of month, month, day of week, as in cron(8), or @hourly,\n"
	  "@daily, @weekly, @monthly, @yearly. Each time makes one job, whichever hosts run.\n"
	  "Named hours follow the clock of the time zone: one that summer time leaves out comes\n"
	  "later, one that comes twice counts once. Prints when it fires next.",
	  schedule_put_options, 3, 4, schedule_put_command },
	{ "schedule drop", "NAME", "drop a schedule", "", none, 1, 1, schedule_drop_command },
	{ "schedule run", "NAME", "a job of this schedule now; prints its id", "", none, 1, 1, schedule_run_command },
	{ "wait", "[PIPELINE]", "wait until no job is ready, running, deferred or waiting",
	  "Shows progress on a terminal. Exit code 1 when dead letters are there at the end,\n"
	  "or when the time is over.",
	  wait_options, 0, 1, wait_command },
	{ "verify", "", "check the queue's invariants: no job lost, none twice",
	  "May run at any time; reads all jobs. Exit code 1 when something is broken.",
	  none, 0, 0, verify_command },
	{ "top", "[PIPELINE]", "what is happening now: stages, their rate, queue, times and errors, on a full screen",
	  "Reads the counters of this machine's host, which costs it nothing, and the depths of lanes\n"
	  "once a second. The keys are shown at the bottom; h explains the columns. With --json one\n"
	  "line. Goes on without the database, and shows the last values of a host that has ended.",
	  top_options, 0, 1, top_command },
	{ "profile", "PIPELINE", "which stage and resource hold a pipeline back, and what a change would buy",
	  "Watches a pipeline under load on this machine's host, by its counters, the database's\n"
	  "lanes and sessions, and /proc; then says which of worker threads, cores, database and\n"
	  "caps of stages binds, who uses most of it, and the throughput that changes would give.\n"
	  "Without a backlog it says what the pipeline could do. docs/profiling.md explains each figure.",
	  profile_options, 1, 1, profile_command },
	{ "doctor", "", "look for whatever loses data or speed, and say what to do",
	  "The server's settings, what lies between it and this machine, who keeps dead rows, the\n"
	  "schema, hosts and their leases, lanes, plugins. Changes nothing. Each finding is explained\n"
	  "in docs/operations.md. Waits for the beats of hosts, up to lease_life for a silent one.\n"
	  "Exit code 1 when there is a problem; warnings alone are 0.",
	  none, 0, 0, doctor_command },
	{ "bench", "PIPELINE", "put load on a pipeline, and say how it fared",
	  "Latencies count from when a job should have been sent, to when it ended: one that was\n"
	  "late because others were slow is slow. Hosts are what runs already; the pipeline should\n"
	  "have no other work. The jobs stay, as all jobs do. Exit code 1 when some died, were\n"
	  "refused or are not done.",
	  bench_options, 1, 1, bench_command },
	{ "baseline record", "NAME PIPELINE", "keep what the stages of a pipeline cost, call by call",
	  "Watches the host on this machine while the pipeline works, and disturbs nothing. What it\n"
	  "keeps is rows in the database. `penstock bench --record-baseline` makes the load, too.",
	  baseline_record_options, 2, 2, baseline_record_command },
	{ "baseline list", "", "baselines that are kept, newest first", "", none, 0, 0, baseline_list_command },
	{ "baseline show", "NAME", "what the stages cost when a baseline was recorded", "",
	  none, 1, 1, baseline_show_command },
	{ "baseline compare", "NAME", "is it slower than then? effects with intervals, and a verdict",
	  "Exit code 1 when a regression beyond --fail-on is established, 0 when there is none, 2\n"
	  "when it cannot be told: too few calls, or others on the machine. Says so when the machine, the configuration or the\n"
	  "load are not the same. docs/baselines.md tells how it is done.",
	  baseline_compare_options, 1, 1, baseline_compare_command },
	{ "baseline delete", "NAME", "delete a baseline", "", none, 1, 1, baseline_delete_command },
	{ "plugin inspect", "FILE", "what a plugin says of itself, without running it",
	  "FILE is a .so, or the name of a plugin on plugin_path. Fails when it names a library that\n"
	  "is not here, or a symbol that neither the host nor a library of it has: the system's\n"
	  "loader is asked, in a process of its own, for a file that others may not write.",
	  none, 1, 1, plugin_inspect_command },
	{ "plugin lint", "FILE...", "what plugins have in them that would hurt their host",
	  "Reads the file and runs nothing of it: functions that it calls, symbols that it exports,\n"
	  "libraries that it names and whether they have what it asks for, how it was linked. Each\n"
	  "finding is a line that says what to do.\n"
	  "Exit code 1 when one is an error; warnings alone are 0.",
	  none, 1, -1, plugin_lint_command },
	{ "plugin test", "FILE", "load a plugin, check that it keeps the contract, run it on inputs",
	  "Needs no database; a stage that asks for one is told that there is none.\n"
	  "Exit code 1 when it breaks the contract, or when results are not as expected.\n\n"
	  "A line of --input is a JSON object with any of attributes, body (a text) or body_base64\n"
	  "or body_file (its path from the folder of FILE), attempt and max_attempts. A line of the\n"
	  "result has job (its number), outcome, route, code, message, delay_ms, attributes, body or\n"
	  "body_base64, and children, as far as there are. A line of --expect needs only the members\n"
	  "that shall be compared. The clock of host and stage stands at the beginning of 2000 and\n"
	  "moves a second with each call, unless the stage may answer LATER.\n\n"
	  "Of --fault, alloc:N lets the Nth allocation that the stage makes by itself in a call give\n"
	  "NULL; cancel says that each job was cancelled, deadline that its time is over, and both\n"
	  "give promises up; body fetches no body; full gives no token for a promise.",
	  plugin_test_options, 1, 1, plugin_test_command },
	{ "plugin bench", "NEW", "what a job costs in a plugin, or whether one build is slower than another",
	  "In this process, without a database. With --against exit code 1 when NEW is slower by\n"
	  "more than --fail-on, 0 when not, 2 when the noise is too large to tell.",
	  plugin_bench_options, 1, 1, plugin_bench_command },
	{ "plugin new", "NAME", "start a plugin from the template", "",
	  plugin_new_options, 1, 1, plugin_new_command },
	{ "completion", "SHELL", "print what a shell needs to complete commands",
	  "Put it where the shell looks, or: source <(penstock completion bash). The script\n"
	  "asks `penstock completion words` at each Tab, so it always fits the program.",
	  none, 1, 1, completion_command },
	{ "completion words", "[WORD...]", "what may stand where the last word is",
	  "For the scripts: completion words -- jobs --state ''. A word a line, behind a tab what it\n"
	  "means; :files or :folders say that those may stand there.",
	  none, 0, -1, completion_words_command },
	{ "help", "[COMMAND]", "print help", "", help_options, 0, 2, cli_help_run },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0, NULL }
};
