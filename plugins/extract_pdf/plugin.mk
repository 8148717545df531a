# SPDX-License-Identifier: BSD-2-Clause
# Built where poppler's library is installed only; it is GPL, so is a program that loads this plugin.
extract_pdf_WANTS := poppler-glib
extract_pdf_PKGS := poppler-glib zlib
extract_pdf_SRCS := extract_pdf.c lines.c unpacked.c language.c
extract_pdf_TEST_PKGS := cairo-pdf fontconfig zlib

# as extract guesses it
$(OUT)/obj/plugins/extract_pdf/language.o: plugins/extract/language.c $(OUT)/obj/flags
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(C_STD) -D_GNU_SOURCE= $(PLUGIN_CFLAGS) $(CFLAGS) -c -o $@ $<
