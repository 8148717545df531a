/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_web_metrics.c - the text of /metrics: sums, labels, what is not known.
 */
#include "web/web.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct segment *segment;
static struct web_facts facts;
static struct buf page;

static int
begin(void **state)
{
	char path[] = "/tmp/penstock-web-XXXXXX";
	struct fault fault = { 0 };
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	if (counters_create(path, "mill-1", &segment, &fault) != OK)
		return -1;
	unlink(path);
	facts = (struct web_facts){ .read_age_ns = -1 };
	buf_init(&page);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	counters_close(segment);
	buf_done(&page);
	return 0;
}

static const char *
text(bool openmetrics)
{
	buf_reset(&page);
	assert_true(web_metrics(segment, &facts, openmetrics, &page));
	return page.data;
}

static void
expect(bool openmetrics, const char *line)
{
	const char *all = text(openmetrics);
	char *whole = mem_printf("\n%s\n", line);

	if (!strstr(all, whole))
		fail_msg("no line \"%s\" in\n%s", line, all);
	free(whole);
}

static void
counters_are_summed_over_workers_and_releases(void **state)
{
	(void)state;
	for (uint32_t w = 0; w < 3; w++) {
		counter_add(counters_slot(segment, w, "p", "s", "old"), COUNTER_done, 10);
		counter_add(counters_slot(segment, w, "p", "s", "new"), COUNTER_done, 1);
		counter_add(counters_slot(segment, w, "p", "s", "new"), COUNTER_cpu_ns, 500000000);
	}
	expect(false, "penstock_jobs_total{pipeline=\"p\",stage=\"s\",outcome=\"done\"} 33");
	expect(false, "penstock_stage_cpu_seconds_total{pipeline=\"p\",stage=\"s\"} 1.5");
}

static void
the_histogram_adds_up_and_ends_with_all(void **state)
{
	struct counter_slot *slot = counters_slot(segment, 0, "p", "s", "r");

	(void)state;
	histogram_add(&slot->time, 1500, 3);          /* below 2.048 us */
	histogram_add(&slot->time, 3 * SEC, 2);       /* below 4.294967296 s */
	histogram_add(&slot->time, 2000000 * SEC, 1); /* beyond every bucket */
	counter_add(slot, COUNTER_wall_ns, 7 * SEC);
	counter_add(slot, COUNTER_later_worker_ns, SEC);
	counter_add(slot, COUNTER_later_ns, 20 * SEC);
#define BUCKET "penstock_stage_duration_seconds_bucket{pipeline=\"p\",stage=\"s\",le="
	expect(false, BUCKET "\"1.024e-06\"} 0");
	expect(false, BUCKET "\"2.048e-06\"} 3");
	expect(false, BUCKET "\"4.2949673\"} 5");
	expect(false, BUCKET "\"+Inf\"} 6");
	expect(false, "penstock_stage_duration_seconds_count{pipeline=\"p\",stage=\"s\"} 6");
	expect(false, "penstock_stage_duration_seconds_sum{pipeline=\"p\",stage=\"s\"} 26");
}

static void
labels_are_escaped(void **state)
{
	(void)state;
	counter_add(counters_slot(segment, 0, "a\"b\\c\nd", "gr\xc3\xb6\xc3\x9f\xff", "r"),
	            COUNTER_calls, 4);
	expect(false, "penstock_stage_calls_total{pipeline=\"a\\\"b\\\\c\\nd\","
	              "stage=\"gr\xc3\xb6\xc3\x9f?\"} 4");
}

static void
what_a_plugin_declares_has_its_name_as_a_label(void **state)
{
	struct counter_slot *slot = counters_slot(segment, 0, "p", "s", "r");

	(void)state;
	counter_own(slot, 0, "pages", OWN_COUNTER, 12);
	counter_own(slot, 1, "depth", OWN_GAUGE, 2.5);
	expect(false,
	       "penstock_stage_declared_total{pipeline=\"p\",stage=\"s\",name=\"pages\"} 12");
	expect(false,
	       "penstock_stage_declared_value{pipeline=\"p\",stage=\"s\",name=\"depth\"} 2.5");
}

static void
queues_are_absent_while_the_database_is_away(void **state)
{
	struct web_queue queue = { .pipeline = (char *)"p",
		                   .stage = (char *)"s",
		                   .ready = 7,
		                   .dead = 1,
		                   .oldest_s = 2.5 };

	(void)state;
	facts = (struct web_facts){
		.database_up = true, .read_age_ns = SEC, .queues = &queue, .n_queues = 1
	};
	expect(false, "penstock_queue_depth{pipeline=\"p\",stage=\"s\",state=\"ready\"} 7");
	expect(false, "penstock_queue_oldest_age_seconds{pipeline=\"p\",stage=\"s\"} 2.5");
	expect(false, "penstock_queue_read_age_seconds 1");
	queue.oldest_s = -1;
	assert_null(strstr(text(false), "penstock_queue_oldest_age_seconds{"));
	facts.database_up = false;
	expect(false, "penstock_database_up 0");
	assert_null(strstr(text(false), "penstock_queue_depth{"));
}

static void
openmetrics_names_families_and_ends(void **state)
{
	const char *all;

	(void)state;
	counter_add(counters_slot(segment, 0, "p", "s", "r"), COUNTER_calls, 4);
	expect(true, "# TYPE penstock_stage_calls counter");
	expect(true, "penstock_stage_calls_total{pipeline=\"p\",stage=\"s\"} 4");
	expect(true, "# TYPE penstock_build info");
	expect(true, "# UNIT penstock_stage_cpu_seconds seconds");
	all = text(true);
	assert_string_equal(all + strlen(all) - 7, "\n# EOF\n");
	expect(false, "# TYPE penstock_stage_calls_total counter");
	expect(false, "# TYPE penstock_build_info gauge");
	assert_null(strstr(text(false), "# EOF"));
	assert_null(strstr(text(false), "# UNIT"));
}

static void
releases_in_use_have_a_share(void **state)
{
	struct counter_slot *gone = counters_slot(segment, 0, "p", "s", "gone");

	(void)state;
	counter_add(gone, COUNTER_jobs, 1000);
	counters_leave(gone);
	counter_add(counters_slot(segment, 0, "p", "s", "a"), COUNTER_jobs, 30);
	counter_add(counters_slot(segment, 0, "p", "s", "b"), COUNTER_jobs, 10);
	counters_slot(segment, 0, "p", "s", "b")->flags = SLOT_BATCH | SLOT_LATER;
	expect(false,
	       "penstock_release_share_ratio{pipeline=\"p\",stage=\"s\",release=\"a\"} 0.75");
	expect(false,
	       "penstock_release_share_ratio{pipeline=\"p\",stage=\"s\",release=\"b\"} 0.25");
	expect(false, "penstock_stage_build_info{pipeline=\"p\",stage=\"s\",release=\"b\","
	              "form=\"batch\",later=\"yes\"} 1");
	assert_null(strstr(text(false), "release=\"gone\""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counters_are_summed_over_workers_and_releases),
		TEST(the_histogram_adds_up_and_ends_with_all),
		TEST(labels_are_escaped),
		TEST(what_a_plugin_declares_has_its_name_as_a_label),
		TEST(queues_are_absent_while_the_database_is_away),
		TEST(openmetrics_names_families_and_ends),
		TEST(releases_in_use_have_a_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
