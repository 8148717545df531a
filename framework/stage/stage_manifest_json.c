/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_manifest_json.c - a manifest as one JSON object, tidied: what other programs are shown.
 */
#include "stage/stage_priv.h"

#include <string.h>

static void
add_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	buf_add_json(out, text ? text : "", text ? strlen(text) : 0);
}

static void
add_bound(struct buf *out, const char *name, const char *text)
{
	double v;

	if (text && stage_constant(text, &v))
		buf_printf(out, ",\"%s\":%.15g", name, v);
	else if (text)
		add_text(out, name, text);
}

static void
add_options(struct buf *out, const struct stage_manifest *manifest)
{
	buf_adds(out, ",\"options\":[");
	for (size_t i = 0; i < manifest->n_options; i++) {
		const struct stage_manifest_option *option = &manifest->options[i];

		buf_adds(out, i ? ",{\"name\":" : "{\"name\":");
		buf_add_json(out, option->name, strlen(option->name));
		add_text(out, "type", option->type);
		buf_printf(out, ",\"required\":%s", option->required ? "true" : "false");
		if (!option->required)
			add_text(out, "default", option->fallback);
		if (option->choices && *option->choices)
			add_text(out, "choices", option->choices);
		add_bound(out, "min", option->min);
		add_bound(out, "max", option->max);
		add_text(out, "help", option->help);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void
add_counters(struct buf *out, const struct stage_manifest *manifest)
{
	buf_adds(out, ",\"counters\":[");
	for (size_t i = 0; i < manifest->n_counters; i++) {
		const struct stage_manifest_counter *counter = &manifest->counters[i];

		buf_adds(out, i ? ",{\"name\":" : "{\"name\":");
		buf_add_json(out, counter->name, strlen(counter->name));
		add_text(out, "kind", counter->kind);
		add_text(out, "unit", counter->unit);
		add_text(out, "help", counter->help);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

char *
stage_manifest_json(const struct stage_manifest *manifest)
{
	struct buf out;
	char sum[65];

	buf_init(&out);
	buf_printf(&out, "{\"abi\":[%d,%d]", manifest->abi_major, manifest->abi_minor);
	add_text(&out, "name", manifest->name);
	add_text(&out, "version", manifest->version);
	add_text(&out, "summary", manifest->summary);
	add_text(&out, "form", manifest->form);
	add_text(&out, "threading", manifest->threading);
	buf_printf(&out, ",\"transactional\":%s,\"reads_db\":%s",
	           manifest->transactional ? "true" : "false",
	           manifest->reads_db ? "true" : "false");
	if (manifest->max_in_flight >= 0)
		buf_printf(&out, ",\"max_in_flight\":%lld", (long long)manifest->max_in_flight);
	if (manifest->max_call >= 0)
		buf_printf(&out, ",\"max_call\":%lld", (long long)manifest->max_call);
	buf_adds(&out, ",\"routes\":[");
	for (size_t i = 0; i < manifest->n_routes; i++) {
		buf_adds(&out, i ? "," : "");
		buf_add_json(&out, manifest->routes[i], strlen(manifest->routes[i]));
	}
	buf_addc(&out, ']');
	add_options(&out, manifest);
	add_counters(&out, manifest);
	sha256_hex(&manifest->sum, sum);
	buf_printf(&out, ",\"size\":%lld,\"sha256\":\"%s\"}", (long long)manifest->size, sum);
	return buf_steal(&out);
}
