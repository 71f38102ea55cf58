/* SPDX-License-Identifier: MIT */
/* The file-driven tests: one file is one test and carries its expectation.
 *
 *   tests/front/NAME.td    accepted; `#= ` lines at its end are how it is
 *                          formatted, without them it is in canonical form
 *   tests/errors/NAME.td   rejected; `#! ` lines at its end are what
 *                          `tdc check` prints, byte for byte
 *   tests/warnings/NAME.td the same for a file that passes with warnings
 *   dsl/std, models, tests/models, tests/bench/models: .td files in canonical form
 *   tests/ir/NAME.ir       a graph; `# pass: NAME ...` names the passes to run,
 *                          `#= ` lines are the result, or the reader's diagnostics
 *   tests/plan/NAME.plan   a graph that is planned as it is, or after the passes of a
 *                          `# pass:` line; `# plan: bf16 repeated` says for what, and
 *                          `# without: OPTION ...` how; `#= ` lines are the plan;
 *                          both for the CPU, or what `# target: NAME` says
 *
 *   run [PATH...]          all, or the files named;  UPDATE=1 rewrites expectations
 *   TDC=build/tdc          the program under test
 *
 * A kind of test is a row in KINDS. The last line is `N passed, N failed, N skipped`. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dsl/ast.h"
#include "tests/run_ir.h"

typedef enum { PASSED, FAILED, SKIPPED } Outcome;

typedef struct Suite {
  const char *tdc;
  bool update;
  int counts[3];
} Suite;

/* A test file: its text, and where the expectation at its end begins. */
typedef struct Case {
  const char *path;
  StrBuf text, expected; /* expected: without the prefixes */
  size_t body;           /* bytes of text that are the input */
} Case;

typedef struct Kind {
  const char *folder, *extension, *prefix;           /* prefix of expectation lines */
  Outcome (*run)(Suite *s, Case *c, StrBuf *actual); /* PASSED: compare `actual` */
} Kind;

enum { CHILD_SECONDS = 20, OUTPUT_MAX = 1 << 20 };

/* ---- files ----------------------------------------------------------------------- */

static bool read_file(const char *path, StrBuf *out) {
  FILE *f = fopen(path, "rb");
  if (!f) return false;
  char block[4096];
  for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;) sb_write(out, block, n);
  sb_puts(out, "");
  bool fine = !ferror(f);
  fclose(f);
  return fine;
}

static void split_expectation(Case *c, const char *prefix) {
  size_t start = c->text.n, n = strlen(prefix);
  while (start > 0) {
    size_t line = start - 1;
    while (line > 0 && c->text.s[line - 1] != '\n') line--;
    bool expects = c->text.n - line >= n - 1 && !strncmp(c->text.s + line, prefix, n - 1);
    if (!expects) break;
    start = line;
  }
  c->body = start;
  for (size_t at = start; at < c->text.n;) {
    const char *end = memchr(c->text.s + at, '\n', c->text.n - at);
    size_t stop = end ? (size_t)(end - c->text.s) : c->text.n;
    if (stop > at + n) sb_write(&c->expected, c->text.s + at + n, stop - at - n);
    sb_putc(&c->expected, '\n');
    at = stop + 1;
  }
}

static bool rewrite(const Case *c, const char *prefix, const StrBuf *actual) {
  FILE *f = fopen(c->path, "wb");
  if (!f) return false;
  fwrite(c->text.s, 1, c->body, f);
  for (size_t at = 0; at < actual->n;) {
    const char *end = memchr(actual->s + at, '\n', actual->n - at);
    size_t stop = end ? (size_t)(end - actual->s) : actual->n;
    int blank = stop == at ? (int)strlen(prefix) - 1 : (int)strlen(prefix);
    fprintf(f, "%.*s%.*s\n", blank, prefix, (int)(stop - at), actual->s + at);
    at = stop + 1;
  }
  return fclose(f) == 0;
}

/* ---- accepted files: the formatter ---------------------------------------------------- */

/* Parse and print; diagnostics end up in `out` instead, and false comes back. */
static bool format(const char *path, const char *text, size_t n, StrBuf *out, StrBuf *dump) {
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  jmp_buf unwind;
  diags_guard(d, &unwind);
  if (!setjmp(unwind)) {
    AFile *f = ast_parse(a, interner_new(a), d, diags_source(d, path, text, n));
    if (!diags_count(d)) {
      ast_print_file(f, out);
      ast_dump(f, dump);
    }
  }
  bool accepted = !diags_count(d);
  diags_print(d, out, false);
  sb_puts(out, "");
  arena_free(a);
  return accepted;
}

static Outcome run_format(Suite *s, Case *c, StrBuf *actual) {
  (void)s;
  StrBuf again = {0}, dump = {0}, dump_again = {0};
  Outcome outcome = FAILED;
  if (!format(c->path, c->text.s, c->body, actual, &dump))
    printf("%s: not accepted:\n%s", c->path, actual->s);
  else if (!format("(formatted)", actual->s, actual->n, &again, &dump_again))
    printf("%s: its formatted text is not accepted:\n%s", c->path, again.s);
  else if (strcmp(actual->s, again.s))
    printf("%s: formatting twice differs from formatting once:\n%s---\n%s", c->path, actual->s,
           again.s);
  else if (strcmp(dump.s, dump_again.s))
    printf("%s: formatting changed the meaning:\n%s---\n%s", c->path, dump.s, dump_again.s);
  else
    outcome = PASSED;
  if (c->body == c->text.n && !strncmp(actual->s, c->text.s, c->body) && actual->n == c->body)
    actual->n = 0; /* canonical already: nothing to expect */
  sb_free(&again);
  sb_free(&dump);
  sb_free(&dump_again);
  return outcome;
}

/* The project's own models are written as `tdc fmt` writes them. */
static Outcome run_canonical(Suite *s, Case *c, StrBuf *actual) {
  (void)s, (void)actual;
  StrBuf text = {0}, dump = {0};
  bool same = format(c->path, c->text.s, c->text.n, &text, &dump) && !strcmp(text.s, c->text.s);
  if (!same) printf("%s: not in canonical form: tdc fmt %s\n", c->path, c->path);
  sb_free(&text);
  sb_free(&dump);
  return same ? PASSED : FAILED;
}

/* ---- a child's output -------------------------------------------------------------------- */

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void collect(int fd, pid_t child, StrBuf *out) {
  long deadline = now_ms() + CHILD_SECONDS * 1000L;
  char block[4096];
  for (;;) {
    long left = deadline - now_ms();
    struct pollfd p = {fd, POLLIN, 0};
    int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
    if (ready < 0 && errno == EINTR) continue;
    ssize_t n = ready > 0 ? read(fd, block, sizeof block) : -1;
    if (n == 0) return;
    if (n < 0 || out->n + (size_t)n > OUTPUT_MAX) {
      kill(child, SIGKILL);
      sb_puts(out, ready > 0 ? "(too much output)\n" : "(out of time)\n");
      return;
    }
    sb_write(out, block, (size_t)n);
  }
}

/* Run argv without a shell; stdout and stderr together. The exit status, 128 +
 * signal, or -1 when it cannot be started. */
static int run_child(const char *const *argv, StrBuf *out) {
  int ends[2];
  if (pipe(ends)) return -1;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(ends[1], 1) < 0 || dup2(ends[1], 2) < 0)
      _exit(127);
    close(ends[0]);
    close(ends[1]);
    setenv("NO_COLOR", "1", 1);
    execv(argv[0], (char *const *)argv);
    _exit(127);
  }
  close(ends[1]);
  if (child > 0) collect(ends[0], child, out);
  close(ends[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) < 0) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static Outcome check_file(Suite *s, Case *c, StrBuf *actual, int wanted) {
  if (access(s->tdc, X_OK)) {
    printf("SKIP %s: %s is not built\n", c->path, s->tdc);
    return SKIPPED;
  }
  const char *argv[] = {s->tdc, "check", c->path, NULL};
  int status = run_child(argv, actual);
  sb_puts(actual, "");
  bool unreadable = wanted == 1 && status == 4; /* wrong because a file it names cannot be read */
  if (status == wanted || unreadable) return PASSED;
  printf("%s: exit status %d, expected %d\n%s", c->path, status, wanted, actual->s);
  return FAILED;
}

static Outcome run_rejected(Suite *s, Case *c, StrBuf *actual) {
  return check_file(s, c, actual, 1);
}
static Outcome run_warned(Suite *s, Case *c, StrBuf *actual) { return check_file(s, c, actual, 0); }

/* ---- graphs ------------------------------------------------------------------------------ */

static Outcome run_graph(Suite *s, Case *c, StrBuf *actual) {
  (void)s;
  return run_ir_text(c->path, c->text.s, c->body, actual) ? PASSED : FAILED;
}

static Outcome run_plan(Suite *s, Case *c, StrBuf *actual) {
  (void)s;
  return run_plan_text(c->path, c->text.s, c->body, actual) ? PASSED : FAILED;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const Kind KINDS[] = {
    {"tests/front", ".td", "#= ", run_format},
    {"tests/errors", ".td", "#! ", run_rejected},
    {"tests/warnings", ".td", "#! ", run_warned},
    {"dsl/std", ".td", "#= ", run_canonical},
    {"models", ".td", "#= ", run_canonical},
    {"tests/models", ".td", "#= ", run_canonical},
    {"tests/bench/models", ".td", "#= ", run_canonical},
    {"tests/ir", ".ir", "#= ", run_graph},
    {"tests/plan", ".plan", "#= ", run_plan},
};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

static void show_difference(const Case *c, const StrBuf *actual) {
  printf("%s: not as expected\n--- expected\n%s--- actual\n%s---\n", c->path,
         c->expected.s ? c->expected.s : "", actual->s ? actual->s : "");
}

static Outcome run_case(Suite *s, const Kind *kind, const char *path) {
  Case c = {.path = path};
  StrBuf actual = {0};
  Outcome outcome = FAILED;
  if (!read_file(path, &c.text)) {
    printf("%s: cannot be read\n", path);
  } else {
    split_expectation(&c, kind->prefix);
    outcome = kind->run(s, &c, &actual);
    bool same =
        actual.n == c.expected.n && (!actual.n || !memcmp(actual.s, c.expected.s, actual.n));
    if (outcome == PASSED && !same) {
      if (s->update && rewrite(&c, kind->prefix, &actual)) {
        printf("%s: rewritten\n", path);
      } else {
        show_difference(&c, &actual);
        outcome = FAILED;
      }
    }
  }
  sb_free(&c.text);
  sb_free(&c.expected);
  sb_free(&actual);
  return outcome;
}

static bool ends_with(const char *s, const char *tail) {
  size_t n = strlen(s), m = strlen(tail);
  return n >= m && !strcmp(s + n - m, tail);
}

static void run_folder(Suite *s, const Kind *kind) {
  struct dirent **entries;
  int n = scandir(kind->folder, &entries, NULL, alphasort);
  for (int i = 0; i < n; i++) {
    if (ends_with(entries[i]->d_name, kind->extension)) {
      StrBuf path = {0};
      sb_printf(&path, "%s/%s", kind->folder, entries[i]->d_name);
      s->counts[run_case(s, kind, path.s)]++;
      sb_free(&path);
    }
    free(entries[i]);
  }
  if (n >= 0) free(entries);
}

static bool run_path(Suite *s, const char *path) {
  for (int k = 0; k < KIND_COUNT; k++) {
    size_t n = strlen(KINDS[k].folder);
    if (strncmp(path, KINDS[k].folder, n) || path[n] != '/') continue;
    s->counts[run_case(s, &KINDS[k], path)]++;
    return true;
  }
  return false;
}

int main(int argc, char **argv) {
  const char *tdc = getenv("TDC"), *update = getenv("UPDATE");
  Suite s = {.tdc = tdc && *tdc ? tdc : "build/tdc", .update = update && !strcmp(update, "1")};
  for (int i = 1; i < argc; i++) {
    if (run_path(&s, argv[i])) continue;
    fprintf(stderr, "run: %s is in no folder of tests\n", argv[i]);
    return 2;
  }
  for (int k = 0; argc == 1 && k < KIND_COUNT; k++) run_folder(&s, &KINDS[k]);
  printf("%d passed, %d failed", s.counts[PASSED], s.counts[FAILED]);
  if (s.counts[SKIPPED]) printf(", %d skipped", s.counts[SKIPPED]);
  printf("\n");
  return s.counts[FAILED] > 0;
}
