/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_mistakes.c - each mistake in a configuration is told with the
 * file, the line and what to write instead.
 */
#include "support/config_tree.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A configuration of one file and all that is said of it. */
struct mistake {
	const char *sentence, *text, *report;
};

/* "penstock.conf:" stands before each line of a report, as it is said; so rows leave it out. */
#define PIPELINE(stages) "pipeline: { name = \"p\"; stages = (\n" stages "\n); };\n"

#define Q(stage) "pipelines = ( { name = \"q\"; stages = ( { name = \"" stage "\"; } ); } );\n"
#define FORKS(to, then)                                                                            \
	"{ name = \"a\"; routes: {\n done = { to = ( " to " ); then = \"" then "\"; }; }; }"
#define THIRTY "a-name-of-all-in-all-thirty-ch"
#define USE(name, pipeline) "{ name = \"" name "\"; pipeline = \"" pipeline "\"; }"
#define TEN(pipeline)                                                                                        \
	USE("a", pipeline)                                                                                   \
	"," USE("b", pipeline) "," USE("c", pipeline) "," USE("d", pipeline) "," USE("e", pipeline) "," USE( \
	    "f", pipeline) "," USE("g",                                                                      \
	                           pipeline) "," USE("h",                                                    \
	                                             pipeline) "," USE("i",                                  \
	                                                               pipeline) "," USE("j",                \
	                                                                                 pipeline)

/* clang-format off */
static const struct mistake mistakes[] = {
	/* ---- settings ---- */
	{ "an_unknown_setting_comes_with_the_nearest_name",
	  "\nworkrs = 4;\n",
	  "2: unknown setting 'workrs'; did you mean 'workers'?\n" },
	{ "an_unknown_setting_that_resembles_none_comes_without_a_suggestion",
	  "flux_capacitor = 4;\n",
	  "1: unknown setting 'flux_capacitor'\n" },
	{ "all_mistakes_are_told_at_once_in_the_order_of_the_file",
	  "workrs = 4;\nheartbeat = 2;\n\nprocesses = 0;\n",
	  "1: unknown setting 'workrs'; did you mean 'workers'?\n"
	  "2: heartbeat must be a duration like \"250ms\"\n"
	  "4: processes is out of range: 1 to 64\n" },
	{ "a_string_where_a_number_belongs",
	  "workers = \"4\";\n",
	  "1: workers must be a whole number\n" },
	{ "a_fraction_where_a_whole_number_belongs",
	  "workers = 1.5;\n",
	  "1: workers must be a whole number\n" },
	{ "a_number_where_a_switch_belongs",
	  "strict_files = 1;\n",
	  "1: strict_files must be true or false\n" },
	{ "a_number_where_a_string_belongs",
	  "database = 5432;\n",
	  "1: database must be a string\n" },
	{ "a_switch_where_a_path_belongs",
	  "state_dir = true;\n",
	  "1: state_dir must be a path\n" },
	{ "a_path_of_nothing",
	  "state_dir = \"\";\n",
	  "1: state_dir must be a path, not ''\n" },
	{ "a_number_where_a_size_belongs",
	  "lease_bytes = 65536;\n",
	  "1: lease_bytes must be a size like \"64MiB\"\n" },
	{ "a_group_where_a_value_belongs",
	  "workers: { most = 4; };\n",
	  "1: workers must be a whole number\n" },
	{ "a_duration_without_its_unit",
	  "heartbeat = \"2\";\n",
	  "1: heartbeat: '2' is not a duration: it has no unit ''; write for example \"250ms\"\n" },
	{ "a_duration_in_an_unknown_unit",
	  "heartbeat = \"2 fortnights\";\n",
	  "1: heartbeat: '2 fortnights' is not a duration: unknown unit 'fortnights'; write for example \"250ms\"\n" },
	{ "a_negative_duration",
	  "heartbeat = \"-2s\";\n",
	  "1: heartbeat: '-2s' is not a duration: write for example \"250ms\"\n" },
	{ "a_size_in_an_unknown_unit",
	  "lease_bytes = \"16 bananas\";\n",
	  "1: lease_bytes: '16 bananas' is not a size: unknown unit 'bananas'; write for example \"64MiB\"\n" },
	{ "a_number_out_of_range_is_told_with_the_range",
	  "workers = 1025;\n",
	  "1: workers is out of range: 0 to 1024\n" },
	{ "a_negative_number_out_of_range",
	  "workers = -1;\n",
	  "1: workers is out of range: 0 to 1024\n" },
	{ "a_duration_out_of_range_is_told_in_units",
	  "heartbeat = \"1h\";\n",
	  "1: heartbeat is out of range: 100 ms to 60.0 s\n" },
	{ "a_size_out_of_range_is_told_in_units",
	  "lease_bytes = \"1kB\";\n",
	  "1: lease_bytes is out of range: 64.0 KiB to 1.0 GiB\n" },
	{ "a_size_that_no_machine_has",
	  "worker_memory = \"99999999TiB\";\n",
	  "1: worker_memory: '99999999TiB' is too large\n" },
	{ "an_integer_that_the_parser_would_cut",
	  "workers = 4294967297;\n",
	  "1: 4294967297 is larger than 2147483647: write 4294967297L\n" },
	{ "a_negative_integer_that_the_parser_would_cut",
	  "# first\nworkers = -4294967297;\n",
	  "2: -4294967297 is less than -2147483648: write -4294967297L\n" },
	{ "an_integer_behind_comments_and_strings_of_several_lines",
	  "/* one\n two */\nname = \"a\" \"b\"; # three\n// four\nworkers = 4294967297;\n",
	  "5: 4294967297 is larger than 2147483647: write 4294967297L\n" },
	{ "an_integer_that_does_not_fit_into_64_bits",
	  "workers = 9223372036854775808L;\n",
	  "1: 9223372036854775808 does not fit into 64 bits\n" },
	{ "a_hexadecimal_integer_that_the_parser_would_take_for_minus_one",
	  "workers = 0xFFFFFFFF;\n",
	  "1: 0xFFFFFFFF is larger than 2147483647: write 0xFFFFFFFFL\n" },
	{ "a_long_integer_is_read_whole_and_then_out_of_range",
	  "workers = 4294967297L;\n",
	  "1: workers is out of range: 0 to 1024\n" },
	{ "a_log_level_that_there_is_not",
	  "log_level = \"loud\";\n",
	  "1: log_level must be debug, info, warning or error, not 'loud'\n" },
	{ "a_pooler_that_there_is_not",
	  "pooler = \"transactions\";\n",
	  "1: pooler must be none or transaction, not 'transactions'; did you mean 'transaction'?\n" },
	{ "an_address_for_http_that_is_a_name",
	  "http = \"mill.example:9187\";\n",
	  "1: http: 'mill.example' is no address: \"127.0.0.1\", \"[::1]\", \"0.0.0.0\"\n" },
	{ "an_address_for_http_without_a_port",
	  "http = \"127.0.0.1\";\n",
	  "1: http: '127.0.0.1' is no address with a port, as \"127.0.0.1:9187\"\n" },
	{ "a_log_format_that_there_is_not",
	  "log_format = \"xml\";\n",
	  "1: log_format must be auto, text, json or journal, not 'xml'\n" },
	{ "a_lease_life_that_one_late_beat_would_end",
	  "heartbeat = \"4s\";\nlease_life = \"10s\";\n",
	  ": lease_life must be at least three times heartbeat: one late beat must not cost a host its work\n" },
	{ "a_longest_pause_shorter_than_the_shortest",
	  "poll_least = \"1s\";\n",
	  ": poll_most is less than poll_least\n" },

	/* ---- the file itself ---- */
	{ "a_syntax_error",
	  "workers = 1;\nprocesses = = 2;\n",
	  "2: syntax error\n" },
	{ "a_string_that_does_not_end",
	  "name = \"a\n",
	  "2: syntax error\n" },
	{ "the_same_setting_twice_in_a_file",
	  "workers = 1;\nworkers = 2;\n",
	  "2: duplicate setting name; several pipelines or schedules are a list: "
	  "pipelines = ( { ... }, { ... } );\n" },
	{ "an_include_that_is_not_there",
	  "workers = 1;\n@include \"/nowhere/more.conf\"\n",
	  "2: cannot include: cannot open /nowhere/more.conf: No such file or directory\n" },
	{ "an_include_that_depends_on_where_the_host_is_started",
	  "workers = 1;\n@include \"more.conf\"\n",
	  "2: 'more.conf': an include needs an absolute path\n" },
	{ "an_include_of_nothing",
	  "workers = 1;\n@include more\n",
	  "2: syntax error\n" },

	/* ---- schedules ---- */
	{ "schedules_that_are_no_list",
	  "schedules: { name = \"s\"; };\n",
	  "1: schedules must be a list: ( { name = \"...\"; }, ... )\n" },
	{ "a_schedule_that_is_no_group",
	  "schedule = 5;\n",
	  "1: a schedule must be a group: { name = \"...\"; }\n" },
	{ "a_schedule_of_nothing",
	  "schedule: {\n catch_up = \"later\";\n when = 1; };\n",
	  "3: unknown key 'when' in a schedule\n"
	  "1: 'name' is missing\n"
	  "1: 'pipeline' is missing\n"
	  "1: 'cron' is missing\n"
	  "2: catch_up must be \"one\", \"skip\" or \"all\"\n" },
	{ "a_schedule_whose_values_are_of_the_wrong_type",
	  "schedule: { name = \"s\"; pipeline = \"p\";\n cron = 5;\n time_zone = 1;\n attributes = 7;\n priority = 40000; };\n",
	  "2: cron must be a string\n"
	  "3: time_zone must be a string\n"
	  "4: attributes must be a group, or a string that is a JSON object\n"
	  "5: priority is out of range: -32768 to 32767\n" },
	{ "attributes_that_are_no_object",
	  "schedule: { name = \"s\"; pipeline = \"p\"; cron = \"@daily\";\n attributes = \"[1]\"; };\n",
	  "2: attributes: not a JSON object\n" },
	{ "a_time_that_there_is_not",
	  "schedule: { name = \"s\"; pipeline = \"p\";\n cron = \"0 25 * * *\"; };\n",
	  "2: cron: hour '25' is not 0 to 23\n" },
	{ "a_schedule_for_a_pipeline_that_is_not_there",
	  PIPELINE("{ name = \"s\"; }") "\nschedule: { name = \"s\"; pipeline = \"q\"; cron = \"@daily\"; };\n",
	  "5: schedule s is for pipeline 'q', which is not there; did you mean 'p'?\n" },
	{ "a_schedule_that_is_there_twice",
	  PIPELINE("{ name = \"s\"; }") "schedules = ( { name = \"s\"; pipeline = \"p\"; cron = \"@daily\"; },\n"
	  "{ name = \"s\"; pipeline = \"p\"; cron = \"@hourly\"; } );\n",
	  "5: schedule s is there twice, also at penstock.conf:4\n" },

	/* ---- pipelines ---- */
	{ "a_pipeline_that_is_no_group",
	  "pipeline = \"p\";\n",
	  "1: a pipeline must be a group: { name = \"...\"; }\n" },
	{ "pipelines_that_are_no_list",
	  "pipelines: { name = \"p\"; };\n",
	  "1: pipelines must be a list: ( { name = \"...\"; }, ... )\n" },
	{ "a_pipeline_without_a_name",
	  "\npipeline: { stages = ( { name = \"s\"; } ); };\n",
	  "2: 'name' is missing\n" },
	{ "a_pipeline_whose_name_does_not_fit_a_label",
	  "pipeline: {\n name = \"My Pipeline\";\n stages = ( { name = \"s\"; } ); };\n",
	  "2: name 'My Pipeline': names are 1 to 63 lower-case letters, digits, _ and -\n" },
	{ "a_pipeline_without_stages",
	  "pipeline: { name = \"p\"; };\n",
	  "1: pipeline p has no stages: stages = ( { ... }, ... );\n" },
	{ "a_rate_without_a_time",
	  PIPELINE("{ name = \"s\"; rate = \"100\"; }"),
	  "2: rate must be a rate like \"100/s\", \"30/min\" or \"1000/h\"\n" },
	{ "a_rate_of_nothing",
	  PIPELINE("{ name = \"s\"; rate = \"0/s\"; }"),
	  "2: rate must be a rate like \"100/s\", \"30/min\" or \"1000/h\"\n" },
	{ "a_limit_for_each_key_without_the_key",
	  PIPELINE("{ name = \"s\";\n max_running_per_key = 2; }"),
	  "3: max_running_per_key needs limit_key, the attribute that is the key\n" },
	{ "a_key_that_limits_nothing",
	  PIPELINE("{ name = \"s\";\n limit_key = \"customer\"; }"),
	  "3: limit_key is for max_running_per_key, which is missing\n" },
	{ "a_key_that_is_no_name",
	  PIPELINE("{ name = \"s\"; max_running_per_key = 2;\n limit_key = 7; }"),
	  "3: limit_key must name an attribute\n" },
	{ "no_job_may_run",
	  PIPELINE("{ name = \"s\"; max_running = 0; }"),
	  "2: max_running is out of range: 1 to 1000000\n" },
	{ "what_enqueue_cannot_do_when_it_is_full",
	  PIPELINE("{ name = \"s\"; max_ready = 5; when_full = \"wait\"; }"),
	  "2: when_full must be \"warn\" or \"refuse\"\n" },
	{ "outputs_that_are_no_choice",
	  "pipeline: { name = \"p\";\n outputs = \"some\";\n stages = ( { name = \"s\"; } ); };\n",
	  "2: outputs must be \"last\", \"all\" or \"none\"\n" },
	{ "outputs_that_are_no_text",
	  "pipeline: { name = \"p\";\n outputs = true;\n stages = ( { name = \"s\"; } ); };\n",
	  "2: outputs must be \"last\", \"all\" or \"none\"\n" },
	{ "a_pipeline_with_an_empty_list_of_stages",
	  PIPELINE(""),
	  "1: pipeline p has no stages: stages = ( { ... }, ... );\n" },
	{ "an_unknown_key_in_a_pipeline",
	  "pipeline: { name = \"p\";\n stage = 1;\n stages = ( { name = \"s\"; } ); };\n",
	  "2: unknown key 'stage' in a pipeline; did you mean 'stages'?\n" },
	{ "a_pipeline_that_is_there_twice",
	  PIPELINE("{ name = \"s\"; }") "pipelines = ( { name = \"p\"; stages = ( { name = \"s\"; } ); } );\n",
	  "4: pipeline p is there twice, also at penstock.conf:1\n" },

	/* ---- stages ---- */
	{ "a_stage_that_is_no_group",
	  "\npipeline: { name = \"p\"; stages = ( \"s\" ); };\n",
	  "2: a stage must be a group: { name = \"...\"; }\n" },
	{ "a_stage_without_a_name",
	  PIPELINE("{ plugin = \"x\"; }"),
	  "2: 'name' is missing\n" },
	{ "a_stage_without_name_and_plugin_is_one_mistake",
	  PIPELINE("{ durable = true; }"),
	  "2: 'name' is missing\n" },
	{ "a_stage_with_an_impossible_name_and_no_plugin_is_one_mistake",
	  PIPELINE("{ name = \"S\"; }"),
	  "2: name 'S': names are 1 to 63 lower-case letters, digits, _ and -\n" },
	{ "a_stage_whose_name_is_a_number",
	  PIPELINE("{ name = 1; plugin = \"x\"; }"),
	  "2: name must be a string\n" },
	{ "a_plugin_given_as_a_path",
	  PIPELINE("{ name = \"s\"; plugin = \"/lib/s.so\"; }"),
	  "2: plugin '/lib/s.so': names are 1 to 63 lower-case letters, digits, _ and -\n" },
	{ "an_unknown_key_in_a_stage",
	  PIPELINE("{ name = \"s\";\n durabel = true; }"),
	  "3: unknown key 'durabel' in a stage; did you mean 'durable'?\n" },
	{ "a_stage_that_is_there_twice",
	  PIPELINE("{ name = \"s\"; },\n{ name = \"t\"; },\n{ name = \"s\"; }"),
	  "4: stage s is there twice, also at line 2\n" },
	{ "a_stage_called_end",
	  PIPELINE("{ name = \"end\"; }"),
	  "2: a stage cannot be called 'end'\n" },
	{ "durable_that_is_no_switch",
	  PIPELINE("{ name = \"s\";\n durable = \"yes\"; }"),
	  "3: durable must be true or false\n" },
	{ "attempts_that_are_no_number",
	  PIPELINE("{ name = \"s\";\n max_attempts = \"3\"; }"),
	  "3: max_attempts must be a whole number\n" },
	{ "no_attempts_at_all",
	  PIPELINE("{ name = \"s\";\n max_attempts = 0; }"),
	  "3: max_attempts is out of range: 1 to 1000\n" },
	{ "a_lease_of_no_jobs",
	  PIPELINE("{ name = \"s\";\n max_lease = 0; }"),
	  "3: max_lease is out of range: 1 to 10000\n" },
	{ "a_timeout_that_is_a_number",
	  PIPELINE("{ name = \"s\";\n timeout = 30; }"),
	  "3: timeout must be a duration like \"250ms\"\n" },
	{ "a_timeout_without_its_unit",
	  PIPELINE("{ name = \"s\";\n timeout = \"30\"; }"),
	  "3: timeout: '30' is not a duration: it has no unit ''; write for example \"250ms\"\n" },
	{ "a_longest_backoff_less_than_the_first",
	  PIPELINE("{ name = \"s\"; backoff = \"10s\"; backoff_max = \"1s\"; }"),
	  "2: backoff_max of stage s is less than its backoff\n" },
	{ "options_that_are_no_group",
	  PIPELINE("{ name = \"s\";\n options = 3; }"),
	  "3: options must be a group: { name = value; }\n" },
	{ "an_option_that_is_a_group",
	  PIPELINE("{ name = \"s\"; options: {\n a: { b = 1; }; }; }"),
	  "3: option a cannot be a group\n" },
	{ "an_option_with_a_list_of_numbers_is_one_mistake",
	  PIPELINE("{ name = \"s\"; options: {\n a = [1, 2]; }; }"),
	  "3: a must be a list of strings\n" },
	{ "the_same_option_twice",
	  PIPELINE("{ name = \"s\"; options: {\n a = 1;\n a = 2; }; }"),
	  "4: duplicate setting name; several pipelines or schedules are a list: "
	  "pipelines = ( { ... }, { ... } );\n" },

	/* ---- routes ---- */
	{ "a_route_to_a_stage_that_there_is_not",
	  PIPELINE("{ name = \"detect\";\n routes: { pdf = \"end\";\n html = \"pase\"; }; },\n{ name = \"parse\"; }"),
	  "4: route html of stage detect leads to 'pase', which is not a stage of pipeline p; did you mean 'parse'?\n" },
	{ "a_route_to_a_number",
	  PIPELINE("{ name = \"s\"; routes: {\n pdf = 1; }; }"),
	  "3: route pdf must name a stage, or \"end\"\n" },
	{ "routes_that_are_no_group",
	  PIPELINE("{ name = \"s\";\n routes = \"end\"; }"),
	  "3: routes must be a group: { name = value; }\n" },
	{ "a_circle_that_no_job_can_leave",
	  PIPELINE("{ name = \"a\"; },\n{ name = \"b\"; routes: { done = \"a\"; }; }"),
	  "2: a job in stage a of pipeline p can never reach the end\n"
	  "3: a job in stage b of pipeline p can never reach the end\n" },

	/* ---- pipelines that are used as stages ---- */
	{ "a_use_of_a_pipeline_that_there_is_not",
	  PIPELINE("{ name = \"s\"; },\n{ name = \"c\"; pipeline = \"claen\"; }") "pipelines = ( { name = \"clean\"; stages = ( { name = \"s\"; } ); } );\n",
	  "3: c stands for pipeline 'claen', which is not there; did you mean 'clean'?\n" },
	{ "a_pipeline_that_uses_itself",
	  PIPELINE("{ name = \"s\"; },\n{ name = \"c\"; pipeline = \"p\"; }"),
	  "3: pipelines that use each other in a circle: p -> p\n" },
	{ "pipelines_that_use_each_other_in_a_circle",
	  "pipelines = (\n{ name = \"start\"; stages = ( { name = \"x\"; pipeline = \"a\"; } ); },\n"
	  "{ name = \"a\"; stages = ( { name = \"x\"; pipeline = \"b\"; } ); },\n"
	  "{ name = \"b\"; stages = ( { name = \"s\"; },\n{ name = \"x\"; pipeline = \"a\"; } ); } );\n",
	  "5: pipelines that use each other in a circle: a -> b -> a\n" },
	{ "a_use_that_says_what_its_stages_say",
	  PIPELINE("{ name = \"c\"; pipeline = \"q\"; durable = true;\n plugin = \"x\";\n options: { a = 1; };\n max_running = 3;\n timeout = \"1s\"; }")
	  Q("s"),
	  "3: plugin does not go with pipeline: the stages of that pipeline say it themselves\n"
	  "4: options does not go with pipeline: the stages of that pipeline say it themselves\n"
	  "5: max_running does not go with pipeline: the stages of that pipeline say it themselves\n"
	  "6: timeout does not go with pipeline: the stages of that pipeline say it themselves\n" },
	{ "an_unknown_key_in_a_use",
	  PIPELINE("{ name = \"c\";\n pipelin = \"q\"; }"),
	  "3: unknown key 'pipelin' in a stage; did you mean 'pipeline'?\n" },
	{ "a_use_of_a_number",
	  PIPELINE("{ name = \"c\";\n pipeline = 7; }"),
	  "3: pipeline must be a string\n" },
	{ "a_use_without_a_name",
	  PIPELINE("{ pipeline = \"q\"; }"),
	  "2: 'name' is missing\n" },
	{ "a_route_of_a_use_other_than_its_end",
	  PIPELINE("{ name = \"c\"; pipeline = \"q\"; routes: {\n done = \"s\"; }; },\n{ name = \"s\"; }"),
	  "3: route done: a pipeline is left by its end alone, which may lead elsewhere: routes: { end = \"s\"; };\n" },
	{ "the_end_of_a_use_to_a_stage_that_there_is_not",
	  PIPELINE("{ name = \"c\"; pipeline = \"q\"; routes: {\n end = \"stroe\"; }; },\n{ name = \"store\"; }")
	  Q("s"),
	  "3: route end of stage c leads to 'stroe', which is not a stage of pipeline p; did you mean 'store'?\n" },
	{ "the_end_of_a_use_to_the_start_of_a_pipeline",
	  PIPELINE("{ name = \"c\"; pipeline = \"q\"; routes: {\n end = \"pipeline:q\"; }; }")
	  Q("s"),
	  "3: route end of c: to the start of another pipeline go children, not what leaves a pipeline\n" },
	{ "a_route_into_a_use",
	  PIPELINE("{ name = \"a\"; routes: {\n bad = \"c.s\"; }; },\n{ name = \"c\"; pipeline = \"q\"; }")
	  Q("s"),
	  "3: route bad of stage a leads to 'c.s', which is not a stage of pipeline p; did you mean 'c'?\n" },
	{ "a_use_in_a_circle_that_no_job_can_leave",
	  PIPELINE("{ name = \"a\"; },\n{ name = \"c\"; pipeline = \"q\"; routes: { end = \"a\"; }; }")
	  Q("s"),
	  "2: a job in stage a of pipeline p can never reach the end\n"
	  "3: a job in stage c of pipeline p can never reach the end\n" },
	{ "a_stage_with_the_name_of_a_use",
	  PIPELINE("{ name = \"c\"; },\n{ name = \"c\"; pipeline = \"q\"; }")
	  Q("s"),
	  "3: stage c is there twice, also at line 2\n" },
	{ "names_that_become_too_long",
	  PIPELINE("{ name = \"s\"; },\n{ name = \"" THIRTY "\"; pipeline = \"q\"; }")
	  Q(THIRTY "-and-more"),
	  "3: in pipeline p a stage would be called '" THIRTY "." THIRTY "-and-more': more than 63 characters; use pipeline q under a shorter name\n" },
	{ "more_stages_than_a_pipeline_may_have",
	  "pipelines = ( { name = \"p\"; stages = ( " TEN("a") " ); },\n{ name = \"a\"; stages = ( " TEN("b") " ); },\n"
	  "{ name = \"b\"; stages = ( " TEN("c") " ); },\n{ name = \"c\"; stages = ( { name = \"s\"; }, { name = \"t\"; } ); } );\n",
	  "1: pipeline p comes to more than 1000 stages with those that it uses\n" },

	/* ---- routes to several stages ---- */
	{ "a_route_to_several_stages_without_what_it_needs",
	  PIPELINE("{ name = \"a\"; routes: {\n done = { }; }; }"),
	  "3: route done leads to several stages: then must name the one where the job goes on, or \"end\"\n"
	  "3: route done: to must name 2 to 64 stages: to = ( \"a\", \"b\" )\n" },
	{ "a_route_to_several_stages_with_wrong_types",
	  PIPELINE("{ name = \"a\"; routes: { done = {\n to = \"b\";\n then = 7;\n join = \"most\";\n them = 1; }; }; }"),
	  "6: unknown key 'them' in a route; did you mean 'then'?\n"
	  "5: join must be \"all\" or \"any\"\n"
	  "4: route done leads to several stages: then must name the one where the job goes on, or \"end\"\n"
	  "3: route done: to must name 2 to 64 stages: to = ( \"a\", \"b\" )\n" },
	{ "a_route_to_several_stages_of_one",
	  PIPELINE("{ name = \"a\"; routes: {\n done = { to = ( \"b\" ); then = \"end\"; }; }; },\n{ name = \"b\"; }"),
	  "3: route done: to must name 2 to 64 stages: to = ( \"a\", \"b\" )\n" },
	{ "branches_to_numbers",
	  PIPELINE("{ name = \"a\"; routes: {\n done = { to = [ 1, 2 ]; then = \"end\"; }; }; },\n{ name = \"b\"; }"),
	  "3: route done: to must name 2 to 64 stages: to = ( \"a\", \"b\" )\n" },
	{ "branches_to_stages_that_there_are_not",
	  PIPELINE(FORKS("\"bb\", \"end\"", "zz") ",\n{ name = \"b\"; },\n{ name = \"z\"; }"),
	  "3: route done of stage a goes on at 'zz', which is not a stage of pipeline p; did you mean 'z'?\n"
	  "3: route done of stage a has a branch to 'bb', which is not a stage of pipeline p; did you mean 'b'?\n"
	  "3: route done of stage a has a branch to 'end', which is not a stage of pipeline p\n" },
	{ "branches_to_another_pipeline",
	  PIPELINE(FORKS("\"b\", \"pipeline:p\"", "b2") ",\n{ name = \"b\"; },\n{ name = \"b2\"; }"),
	  "3: route done of stage a has a branch to 'pipeline:p', which is not a stage of pipeline p\n" },
	{ "branches_that_meet_in_one_of_them",
	  PIPELINE(FORKS("\"b\", \"c\"", "c") ",\n{ name = \"b\"; },\n{ name = \"c\"; }"),
	  "3: route done of stage a: c is a branch, and the stage where the branches meet; then must name another\n" },
	{ "two_branches_to_one_stage",
	  PIPELINE(FORKS("\"b\", \"b\"", "c") ",\n{ name = \"b\"; },\n{ name = \"c\"; }"),
	  "3: route done of stage a has two branches to b\n" },
	{ "a_branch_that_is_the_stage_itself",
	  PIPELINE(FORKS("\"b\", \"a\"", "c") ",\n{ name = \"b\"; },\n{ name = \"c\"; }"),
	  "3: route done of stage a has a branch to a, to which jobs come otherwise, too: a branch begins at a stage of its own\n" },
	{ "a_branch_of_two_routes",
	  PIPELINE(FORKS("\"b\", \"c\"", "z") ",\n{ name = \"b\"; },\n{ name = \"c\"; },\n"
	  "{ name = \"z\"; routes: {\n done = { to = ( \"c\", \"d\" ); then = \"end\"; }; }; },\n{ name = \"d\"; }"),
	  "7: route done of stage z has a branch to c, to which jobs come otherwise, too: a branch begins at a stage of its own\n" },
	{ "a_route_into_a_branch",
	  PIPELINE(FORKS("\"b\", \"c\"", "z") ",\n{ name = \"b\"; },\n{ name = \"c\"; },\n{ name = \"z\"; routes: {\n back = \"b\"; }; }"),
	  "7: route back of stage z leads to b, which is in a branch of route done of stage a: what comes there ends at z; let it go to a stage of its own\n" },
	{ "a_branch_that_leads_back_to_where_it_began",
	  PIPELINE(FORKS("\"b\", \"c\"", "z") ",\n{ name = \"b\"; routes: {\n back = \"a\"; }; },\n{ name = \"c\"; },\n{ name = \"z\"; }"),
	  "5: route back of stage b leads out of its branch, to a: a branch ends at z\n" },
	{ "a_branch_that_leads_past_where_it_ends",
	  PIPELINE(FORKS("\"b\", \"c\"", "z") ",\n{ name = \"b\"; },\n{ name = \"c\"; routes: {\n far = \"y\"; }; },\n{ name = \"z\"; },\n{ name = \"y\"; },\n{ name = \"x\"; routes: { odd = \"y\"; }; }"),
	  "9: route odd of stage x leads to y, which is in a branch of route done of stage a: what comes there ends at z; let it go to a stage of its own\n" },
	{ "a_branch_that_never_ends",
	  PIPELINE(FORKS("\"b\", \"c\"", "z") ",\n{ name = \"b\"; routes: { done = \"b\"; }; },\n{ name = \"c\"; },\n{ name = \"z\"; }"),
	  "4: a job in stage b of pipeline p can never reach the end\n" },
	{ "several_stages_behind_the_end_of_a_use",
	  PIPELINE("{ name = \"u\"; pipeline = \"q\"; routes: {\n end = { to = ( \"b\", \"c\" ); then = \"z\"; }; }; },\n{ name = \"b\"; },\n{ name = \"c\"; },\n{ name = \"z\"; }")
	  Q("s"),
	  "3: the end of a pipeline that is used leads to one stage; a stage may lead to several\n" },
};
/* clang-format on */

/* "3: text" said of penstock.conf */
static char *
full_report(const char *rows)
{
	struct buf full;

	buf_init(&full);
	while (*rows) {
		size_t len = strcspn(rows, "\n") + 1;

		buf_printf(&full, "penstock.conf%s%.*s", *rows == ':' ? "" : ":", (int)len, rows);
		rows += len;
	}
	return buf_steal(&full);
}

static void
is_told(void **state)
{
	const struct mistake *row = *state;
	char *wanted = full_report(row->report);

	config_tree_put("penstock.conf", row->text);
	assert_string_equal(config_tree_report(NULL, 0), wanted);
	free(wanted);
}

/* ---- mistakes that need more than the text of one file ---- */

static void
a_configuration_that_is_not_there(void **state)
{
	(void)state;
	assert_string_equal(
	    config_tree_report(NULL, 0),
	    "penstock.conf: cannot open penstock.conf: No such file or directory\n");
}

static void
a_configuration_that_is_a_folder(void **state)
{
	(void)state;
	config_tree_put("penstock.conf/x", "");
	assert_string_equal(config_tree_report(NULL, 0), "penstock.conf: is not a file\n");
}

static void
a_configuration_that_others_may_write(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", "");
	assert_int_equal(chmod("penstock.conf", 0664), 0);
	assert_string_equal(
	    config_tree_report(NULL, 0),
	    "penstock.conf: others may write to this file (mode 664): chmod go-w\n");
}

static void
a_pipeline_file_that_others_may_write(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", "");
	config_tree_put("pipelines.d/p.conf", "");
	assert_int_equal(chmod("pipelines.d/p.conf", 0646), 0);
	assert_string_equal(
	    config_tree_report(NULL, 0),
	    "./pipelines.d/p.conf: others may write to this file (mode 646): chmod go-w\n");
}

/* The folder differs from run to run; the report is compared without it. */
static void
is_told_of_included(const char *more, mode_t mode, const char *wanted)
{
	char *folder = getcwd(NULL, 0);
	char *text = mem_printf("\n\n@include \"%s/more.conf\"\n", folder);
	const char *report;

	config_tree_put("penstock.conf", text);
	config_tree_put("more.conf", more);
	assert_int_equal(chmod("more.conf", mode), 0);
	report = config_tree_report(NULL, 0);
	assert_memory_equal(report, folder, strlen(folder));
	assert_string_equal(report + strlen(folder), wanted);
	free(text);
	free(folder);
}

static void
an_included_file_that_others_may_write(void **state)
{
	(void)state;
	is_told_of_included("", 0666,
	                    "/more.conf: others may write to this file (mode 666): chmod go-w\n");
}

static void
an_integer_in_an_included_file_that_the_parser_would_cut(void **state)
{
	(void)state;
	is_told_of_included("\nworkers = 4294967297;\n", 0644,
	                    "/more.conf:2: 4294967297 is larger than 2147483647: "
	                    "write 4294967297L\n");
}

static void
a_mistake_in_an_included_file_is_told_at_its_own_place(void **state)
{
	(void)state;
	is_told_of_included("\nworkers = -4;\n", 0644,
	                    "/more.conf:2: workers is out of range: 0 to 1024\n");
}

static void
a_syntax_error_in_an_included_file_is_told_at_its_own_place(void **state)
{
	(void)state;
	is_told_of_included("\nworkers 4;\n", 0644, "/more.conf:2: syntax error\n");
}

static void
a_file_that_includes_itself(void **state)
{
	char *folder = getcwd(NULL, 0);
	char *text = mem_printf("@include \"%s/penstock.conf\"\n", folder);

	(void)state;
	config_tree_put("penstock.conf", text);
	if (!strstr(config_tree_report(NULL, 0), ":1: include file nesting too deep\n"))
		fail();
	free(text);
	free(folder);
}

static void
a_folder_of_configuration_that_is_a_file(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", "");
	config_tree_put("conf.d", "");
	assert_string_equal(config_tree_report(NULL, 0),
	                    "./conf.d: cannot read the folder: Not a directory\n");
}

static void
a_folder_in_a_folder_of_configuration(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", "");
	config_tree_put("conf.d/x.conf/y", "");
	assert_string_equal(config_tree_report(NULL, 0), "./conf.d/x.conf: is not a file\n");
}

static void
a_file_with_a_nul_byte(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(file_write("penstock.conf", "workers = 1;\0", 13, 0644, &fault), OK);
	assert_string_equal(config_tree_report(NULL, 0), "penstock.conf: has a NUL byte in it\n");
}

static void
a_file_larger_than_any_configuration(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text);
	while (text.len <= (size_t)MiB)
		buf_adds(&text, "# and so on, and so on\n");
	config_tree_put("penstock.conf", text.data);
	buf_done(&text);
	assert_string_equal(config_tree_report(NULL, 0),
	                    "penstock.conf: penstock.conf is larger than 1048576 bytes\n");
}

static void
a_pipeline_that_is_there_twice_in_two_files(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", "");
	config_tree_put("pipelines.d/20.conf", "\n\n" PIPELINE("{ name = \"s\"; }"));
	config_tree_put("pipelines.d/10.conf", "\n" PIPELINE("{ name = \"s\"; }"));
	assert_string_equal(config_tree_report(NULL, 0),
	                    "./pipelines.d/20.conf:3: pipeline p is there twice, "
	                    "also at ./pipelines.d/10.conf:2\n");
}

static void
mistakes_of_all_files_are_told_in_the_order_of_reading(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", "a_first = 1;\n");
	config_tree_put("conf.d/20.conf", "c_third = 1;\n");
	config_tree_put("conf.d/10.conf", "b_second = 1;\n");
	config_tree_put("pipelines.d/00.conf", "\nd_fourth = 1;\n");
	assert_string_equal(config_tree_report(NULL, 0),
	                    "penstock.conf:1: unknown setting 'a_first'\n"
	                    "./conf.d/10.conf:1: unknown setting 'b_second'\n"
	                    "./conf.d/20.conf:1: unknown setting 'c_third'\n"
	                    "./pipelines.d/00.conf:2: unknown setting 'd_fourth'\n");
}

static void
a_mistake_in_the_environment_is_told_with_the_variable(void **state)
{
	(void)state;
	config_tree_put("penstock.conf", "");
	setenv("PENSTOCK_WORKERS", "many", 1);
	setenv("PENSTOCK_STRICT_FILES", "maybe", 1);
	assert_string_equal(
	    config_tree_report(NULL, 0),
	    "PENSTOCK_WORKERS: workers: 'many' is not a whole number\n"
	    "PENSTOCK_STRICT_FILES: strict_files must be true or false, not 'maybe'\n");
}

static void
a_mistake_in_a_flag_is_told_as_such(void **state)
{
	const struct config_override over[] = { { "worker", "1" }, { "workers", "1025" } };

	(void)state;
	config_tree_put("penstock.conf", "");
	assert_string_equal(config_tree_report(over, countof(over)),
	                    "command line: unknown setting 'worker'; did you mean 'workers'?\n"
	                    "command line: workers is out of range: 0 to 1024\n");
}

static void
a_mistake_without_report_and_fault_is_still_a_failure(void **state)
{
	struct config *config = NULL;

	(void)state;
	config_tree_put("penstock.conf", "workrs = 1;\n");
	assert_int_equal(config_load("penstock.conf", NULL, 0, &config, NULL, NULL), INVALID);
	assert_null(config);
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name, config_tree_enter, config_tree_leave, NULL                            \
	}

int
main(void)
{
	const struct CMUnitTest others[] = {
		TEST(a_configuration_that_is_not_there),
		TEST(a_configuration_that_is_a_folder),
		TEST(a_configuration_that_others_may_write),
		TEST(a_pipeline_file_that_others_may_write),
		TEST(an_included_file_that_others_may_write),
		TEST(an_integer_in_an_included_file_that_the_parser_would_cut),
		TEST(a_mistake_in_an_included_file_is_told_at_its_own_place),
		TEST(a_syntax_error_in_an_included_file_is_told_at_its_own_place),
		TEST(a_file_that_includes_itself),
		TEST(a_folder_of_configuration_that_is_a_file),
		TEST(a_folder_in_a_folder_of_configuration),
		TEST(a_file_with_a_nul_byte),
		TEST(a_file_larger_than_any_configuration),
		TEST(a_pipeline_that_is_there_twice_in_two_files),
		TEST(mistakes_of_all_files_are_told_in_the_order_of_reading),
		TEST(a_mistake_in_the_environment_is_told_with_the_variable),
		TEST(a_mistake_in_a_flag_is_told_as_such),
		TEST(a_mistake_without_report_and_fault_is_still_a_failure),
	};
	struct CMUnitTest tests[countof(mistakes) + countof(others)];

	for (size_t i = 0; i < countof(mistakes); i++)
		tests[i] = (struct CMUnitTest){ mistakes[i].sentence, is_told, config_tree_enter,
			                        config_tree_leave,
			                        (void *)(uintptr_t)&mistakes[i] };
	memcpy(tests + countof(mistakes), others, sizeof(others));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
