/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_screen.c - the frame on a terminal, by ncurses, and the keys.
 *
 * Note on the terminal: it is given back at every end. Signals that ask for one
 * set a flag that the loop looks at; a crash of ours gives it back from its
 * handler, as well as that can be done there, and dies of the same signal.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "top/top_priv.h"

#include <curses.h> /* behind ours: it makes a macro of OK */
#undef OK

enum { COLOUR_TITLE = 1, COLOUR_BAR, COLOUR_ALERT, COLOUR_DIM };

struct screen {
	const struct top_options *options;
	struct top_reader *reader;
	struct top_view view;
	enum top_sort sort;
	char pipeline[64]; /* "": all */
	bool paused, help, colour;
	size_t scroll;
};

static volatile sig_atomic_t asked_to_end;

static void
ask_to_end(int signo)
{
	(void)signo;
	asked_to_end = 1;
}

static void
give_back_and_die(int signo)
{
	endwin();
	signal(signo, SIG_DFL);
	raise(signo);
}

static void
catch_signals(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

	for (size_t i = 0; i < countof(ends); i++) {
		struct sigaction action = { .sa_handler = ask_to_end };

		sigaction(ends[i], &action, NULL);
	}
	for (size_t i = 0; i < countof(crashes); i++) {
		struct sigaction action = { .sa_handler = give_back_and_die };

		action.sa_flags = (int)SA_RESETHAND;
		sigaction(crashes[i], &action, NULL);
	}
}

static enum status
begin(struct screen *s, struct fault *fault)
{
	const char *term = getenv("TERM");
	SCREEN *screen;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		fault_set(fault, INVALID, "top wants a terminal");
		fault_hint(fault, "--once prints one frame, --json one line");
		return INVALID;
	}
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		fault_set(fault, INVALID, "the terminal '%s' is not known", term ? term : "");
		fault_hint(fault, "set TERM, or use --once");
		return INVALID;
	}
	catch_signals();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	s->colour = s->options->colour && has_colors();
	if (!s->colour)
		return OK;
	start_color();
	use_default_colors();
	init_pair(COLOUR_TITLE, COLOR_CYAN, -1);
	init_pair(COLOUR_BAR, COLOR_GREEN, -1);
	init_pair(COLOUR_ALERT, COLOR_RED, -1);
	init_pair(COLOUR_DIM, COLOR_BLUE, -1);
	return OK;
}

static attr_t
attributes_of(const struct screen *s, enum top_look look)
{
	switch (look) {
	case LOOK_BOLD: return A_BOLD;
	case LOOK_TITLE: return A_REVERSE;
	case LOOK_DIM: return s->colour ? COLOR_PAIR(COLOUR_DIM) : A_NORMAL;
	case LOOK_ALERT: return s->colour ? COLOR_PAIR(COLOUR_ALERT) : A_BOLD;
	case LOOK_PLAIN: break;
	}
	return A_NORMAL;
}

/* ---- drawing ---- */

/* Columns, not bytes: `most` is what is left of the line. */
static void
draw_line(const struct screen *s, int y, const struct top_line *line, int width)
{
	attr_t attributes = attributes_of(s, line->look);
	int columns = 0;
	const char *p = line->text;

	while (*p && columns < width) {
		p++;
		while ((*p & 0xc0) == 0x80)
			p++;
		columns++;
	}
	attrset((int)attributes);
	mvaddnstr(y, 0, line->text, (int)(p - line->text));
	if (line->look == LOOK_TITLE)
		for (; columns < width; columns++)
			addch(' ');
	attrset(A_NORMAL);
	if (s->colour && line->bar_cells > 0 && line->bar_from < width)
		mvchgat(y, line->bar_from,
		        line->bar_cells < width - line->bar_from ? line->bar_cells
		                                                 : width - line->bar_from,
		        A_NORMAL, COLOUR_BAR, NULL);
}

static void
draw(struct screen *s)
{
	int height, width, y = 0;
	struct top_frame frame;
	size_t room, most;

	getmaxyx(stdscr, height, width);
	if (s->help)
		top_frame_help((unsigned)width, &frame);
	else
		top_frame_make(&s->view, (unsigned)width, s->sort,
		               s->pipeline[0] ? s->pipeline : NULL, s->paused, &frame);
	room = (size_t)height > frame.head + 1 ? (size_t)height - frame.head - 1 : 0;
	most = frame.body > room ? frame.body - room : 0;
	s->scroll = s->scroll > most ? most : s->scroll;
	erase();
	for (size_t i = 0; i < frame.head && y < height - 1; i++)
		draw_line(s, y++, &frame.lines[i], width);
	for (size_t i = s->scroll; i < frame.body && y < height - 1; i++)
		draw_line(s, y++, &frame.lines[frame.head + i], width);
	draw_line(s, height - 1, &frame.lines[frame.n - 1], width - 1);
	top_frame_done(&frame);
	refresh();
}

/* ---- keys ---- */

static void
next_pipeline(struct screen *s)
{
	const char *names[64];
	size_t n = top_reader_pipelines(s->reader, names, countof(names)), i = 0;

	if (s->pipeline[0]) {
		while (i < n && strcmp(names[i], s->pipeline) != 0)
			i++;
		i++;
	}
	snprintf(s->pipeline, sizeof s->pipeline, "%s", i < n ? names[i] : "");
}

static void
look(struct screen *s)
{
	top_view_done(&s->view);
	top_reader_look(s->reader, s->pipeline[0] ? s->pipeline : NULL, &s->view);
	top_view_sort(&s->view, s->sort);
}

/* False: quit. */
static bool
take_key(struct screen *s, int key)
{
	if (key == ERR || key == KEY_RESIZE)
		return true;
	if (s->help) {
		s->help = false;
		s->scroll = 0;
		return key != 'q';
	}
	switch (key) {
	case 'q':
	case 3: return false;
	case 's':
		s->sort = (enum top_sort)((s->sort + 1) % SORT_N);
		top_view_sort(&s->view, s->sort);
		break;
	case 'r':
		s->sort = SORT_ORDER;
		look(s);
		break;
	case 'f':
		next_pipeline(s);
		look(s);
		break;
	case 'p':
	case ' ': s->paused = !s->paused; break;
	case 'h':
	case '?':
		s->help = true;
		s->scroll = 0;
		break;
	case KEY_DOWN: s->scroll++; break;
	case KEY_UP: s->scroll -= s->scroll > 0; break;
	case KEY_NPAGE: s->scroll += 10; break;
	case KEY_PPAGE: s->scroll -= s->scroll > 10 ? 10 : s->scroll; break;
	default: break;
	}
	return true;
}

/* A terminal that has gone answers at once with nothing, for ever. */
static void
run(struct screen *s)
{
	int64_t next = 0;

	while (!asked_to_end) {
		int64_t now = clock_mono(), wait;

		if (now >= next) {
			if (!s->paused)
				look(s);
			next = now + s->options->every_ns;
		}
		draw(s);
		wait = (next - clock_mono()) / MSEC;
		timeout((int)(wait > 0 ? wait : 1));
		if (!take_key(s, getch()))
			return;
		if (getppid() == 1 && !isatty(STDIN_FILENO))
			return;
	}
}

enum status
top_screen(const struct top_options *options, struct fault *fault)
{
	struct screen s = { .options = options };
	enum status st;

	if (options->sort)
		check(top_sort_find(options->sort, &s.sort));
	if (options->pipeline)
		snprintf(s.pipeline, sizeof s.pipeline, "%s", options->pipeline);
	st = top_reader_open(options, &s.reader, fault);
	if (st != OK)
		return st;
	st = begin(&s, fault);
	if (st == OK) {
		run(&s);
		endwin();
	}
	top_view_done(&s.view);
	top_reader_close(s.reader);
	return st;
}

/* ---- one frame ---- */

static void
print_frame(const struct top_view *view, const struct top_options *options, unsigned width,
            enum top_sort sort, FILE *out)
{
	struct top_frame frame;

	top_frame_make(view, width, sort, options->pipeline, false, &frame);
	for (size_t i = 0; i + 1 < frame.n; i++) /* but for the keys */
		fprintf(out, "%s\n", frame.lines[i].text);
	top_frame_done(&frame);
}

enum status
top_once(const struct top_options *options, unsigned width, bool json, FILE *out,
         struct fault *fault)
{
	const struct timespec t = { options->every_ns / SEC, options->every_ns % SEC };
	enum top_sort sort = SORT_ORDER;
	struct top_reader *reader;
	struct top_view view;
	struct buf text;
	enum status st = top_reader_open(options, &reader, fault);

	if (st != OK)
		return st;
	if (options->sort)
		check(top_sort_find(options->sort, &sort));
	top_reader_look(reader, options->pipeline, &view);
	top_view_done(&view);
	nanosleep(&t, NULL);
	top_reader_look(reader, options->pipeline, &view);
	top_view_sort(&view, sort);
	if (json) {
		buf_init(&text);
		top_frame_json(&view, &text);
		fputs(text.data, out);
		buf_done(&text);
	} else {
		print_frame(&view, options, width, sort, out);
	}
	top_view_done(&view);
	top_reader_close(reader);
	return OK;
}
