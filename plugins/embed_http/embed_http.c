/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * embed_http.c - give each passage a vector from an endpoint of embeddings.
 *
 * The call looks at the job, takes a token for it and hands it to the courier,
 * a thread that has all requests in flight (courier.c); no worker waits for an
 * answer. A plugin of its own, since embed shall need neither libcurl nor a
 * limit on what is out.
 */
#include "embed_http_priv.h"

#include <curl/curl.h>

#include <stdlib.h>
#include <string.h>

PS_OPTIONS(embed_http, PS_REQUIRED_STRING(endpoint, "URL, such as https://host/v1/embeddings"),
           PS_REQUIRED_STRING(model, "name of the model"),
           PS_SECRET(key_file, "holds the key that is sent as Authorization: Bearer"),
           PS_PATH(ca_file, "", "certificates to trust in the place of the system's"),
           PS_INT(dimensions, 1536, 8, 4096, "numbers of the model's vectors, a multiple of 8"),
           PS_INT(batch, 64, 1, 2048, "passages of a job in one request"),
           PS_INT(max_in_flight, 1000, 1, 4096, "requests out at once"),
           PS_DURATION(timeout, "30s", 1, 3600000, "of one request"))

PS_COUNTERS(embed_http, PS_COUNTER(passages, "passages", "passages given a vector"),
            PS_COUNTER(requests, "requests", "answered or failed"),
            PS_GAUGE(in_flight, "requests", "out at the last call"))

static const char *
check_options(const struct embed_http_options *opt)
{
	CURLU *url = curl_url();
	char *scheme = NULL;
	const char *why = NULL;

	if (!url || curl_url_set(url, CURLUPART_URL, opt->endpoint, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		why = "endpoint must be a URL that begins with http:// or https://";
	else if (strpbrk(opt->key_file, "\r\n"))
		why = "the file of key_file must hold one line";
	else if (opt->dimensions % 8 != 0)
		why = "dimensions must be a multiple of 8";
	curl_free(scheme);
	curl_url_cleanup(url);
	return why;
}

static int
embed_http_open(const struct ps_open *open, void **ret_instance)
{
	const struct embed_http_options *opt = open->options;
	const struct courier_conf conf = {
		.host = open->host,
		.endpoint = opt->endpoint,
		.model = opt->model,
		.key = opt->key_file,
		.ca_file = opt->ca_file,
		.dimensions = (uint32_t)opt->dimensions,
		.batch = (uint32_t)opt->batch,
		.most = (uint32_t)opt->max_in_flight,
		.timeout_ms = opt->timeout,
	};
	const char *why = check_options(opt);

	if (!why)
		*ret_instance = courier_open(&conf, &why);
	if (!why)
		return 0;
	ps_open_error(open, why);
	return 1;
}

static void
embed_http_close(void *instance)
{
	courier_close(instance);
}

static void
embed_http_cancel(void *instance, uint64_t token)
{
	courier_cancel(instance, token);
}

/* The thread cannot count, a call can. */
static void
count(struct ps_call *call)
{
	struct courier_counts counts;

	courier_count(call->instance, &counts);
	ps_count(call, embed_http_passages, (double)counts.passages);
	ps_count(call, embed_http_requests, (double)counts.requests);
	ps_count(call, embed_http_in_flight, counts.out);
}

static enum ps_outcome
promise(struct ps_call *call)
{
	struct work *work = work_create();
	const struct ps_message *copy;
	uint64_t token;

	if (!work)
		return ps_retry(call, ps_this(call), -1, "NO_MEMORY", "out of memory");
	token = ps_later(call, ps_this(call), &copy);
	if (token == 0) {
		work_free(work);
		return ps_snooze(call, ps_this(call), 100); /* as many are out as may be */
	}
	courier_send(call->instance, work, token, copy);
	return PS_LATER;
}

static enum ps_outcome
embed_http(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct embed_http_options *opt = ps_options(call, embed_http);
	struct passages p;
	const void *body;
	size_t len;

	(void)out;
	count(call);
	body = ps_body(call, in, &len);
	if (!body && len > 0)
		return ps_retry(call, ps_this(call), -1, "NO_BODY",
		                "the body could not be fetched");
	if (!passages_open(body, len, &p))
		return ps_fail(call, ps_this(call), "NOT_PASSAGES",
		               "the body is not the output of the stage chunk");
	if (passages_size(p.n, (uint32_t)opt->dimensions, p.headings_len, p.text_len) > BODY_MOST)
		return ps_fail(call, ps_this(call), "TOO_LARGE",
		               "the passages and their vectors are larger than a body may be");
	return promise(call);
}

PS_STAGE_EACH(embed_http, "1.0.0", "Gives passages vectors from a model behind HTTP",
              PS_OPEN(embed_http_open), PS_CLOSE(embed_http_close), PS_MAY_LATER(4096),
              PS_CANCEL(embed_http_cancel), PS_WITH_COUNTERS(embed_http))
