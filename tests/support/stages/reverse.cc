/* SPDX-License-Identifier: BSD-2-Clause */
// reverse.cc - a stage in C++: reverses the words of an attribute.
#include <penstock.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

PS_OPTIONS(reverse, PS_STRING(attribute, "text", "whose words are reversed"),
           PS_STRING(separator, " ", "between two words"))
PS_COUNTERS(reverse, PS_COUNTER(words, "words", "words seen"))

namespace
{

std::string
reversed(const std::string &text, const char *separator)
{
	std::istringstream in(text);
	std::vector<std::string> words;
	std::string word, out;

	while (in >> word)
		words.push_back(word);
	std::reverse(words.begin(), words.end());
	for (const auto &w : words)
		out += (out.empty() ? "" : separator) + w;
	return out;
}

enum ps_outcome
reverse(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const auto *opt = ps_options(call, reverse);

	try {
		std::string text = ps_get_string(call, in, opt->attribute, "");

		ps_count(call, reverse_words,
		         static_cast<double>(std::count(text.begin(), text.end(), ' ') + 1));
		ps_set_string(call, out, opt->attribute, reversed(text, opt->separator).c_str());
	} catch (const std::exception &e) {
		return ps_fail(call, ps_this(call), "EXCEPTION", e.what());
	}
	return PS_DONE;
}

} // namespace

PS_STAGE_EACH(reverse, "1.0.0", "Reverses words, in C++", PS_WITH_COUNTERS(reverse))
