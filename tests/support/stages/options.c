/* SPDX-License-Identifier: BSD-2-Clause */
/* options.c - one option of each type; writes them all into the attributes. */
#include <penstock.h>

PS_OPTIONS(options, PS_BOOL(loud, true, "a bool"), PS_INT(times, 3, 1, 10, "an int"),
           PS_FLOAT(ratio, 0.5, 0, 1, "a float"),
           PS_STRING(suffix, "!",
                     "a string, "
                     "in two literals"),
           PS_ENUM(mode, "fast", "slow|fast|faster", "an enum"),
           PS_DURATION(pause, "250ms", 0, 60000, "a duration"),
           PS_SIZE(most, "64KiB", 0, 1 << 20, "a size"), PS_LIST(words, "a, b", "a list"),
           PS_PATH(folder, "", "a path"), PS_SECRET(key, "a secret"),
           PS_REQUIRED_STRING(name, "must be given"))

static enum ps_outcome
options(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct options_options *opt = ps_options(call, options);

	(void)in;
	ps_set_bool(call, out, "loud", opt->loud);
	ps_set_int(call, out, "times", opt->times);
	ps_set_double(call, out, "ratio", opt->ratio);
	ps_set_string(call, out, "suffix", opt->suffix);
	ps_set_int(call, out, "mode", opt->mode);
	ps_set_int(call, out, "pause", opt->pause);
	ps_set_int(call, out, "most", opt->most);
	ps_set_int(call, out, "n_words", (int64_t)opt->words.n);
	ps_set_string(call, out, "last_word",
	              opt->words.n ? opt->words.items[opt->words.n - 1] : "");
	ps_set_string(call, out, "folder", opt->folder);
	ps_set_string(call, out, "key", opt->key);
	ps_set_string(call, out, "name", opt->name);
	return PS_DONE;
}

PS_STAGE_EACH(options, "2.1.0", "Has an option of each type")
