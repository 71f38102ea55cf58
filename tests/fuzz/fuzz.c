/* SPDX-License-Identifier: MIT */
/* The loop of a fuzzer, and the process that its inputs run in: see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* sanitizer/allocator_interface.h, which comes with clang alone */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

/* asked before there is a shadow memory to look into */
__attribute__((no_sanitize("address"))) const char *__asan_default_options(void) {
  return fuzzer.refuses ? "abort_on_error=1:detect_leaks=0:max_allocation_size_mb=256:"
                          "allocator_may_return_null=1"
                        : "abort_on_error=1:detect_leaks=0:max_allocation_size_mb=256:"
                          "allocator_may_return_null=0";
}

const char *__ubsan_default_options(void) { return "abort_on_error=1:print_stacktrace=1"; }

/* ---- numbers at random ---------------------------------------------------------- */

uint64_t random_next(Random *r) { /* splitmix64 */
  uint64_t z = r->state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

size_t below(Random *r, size_t n) { return n ? (size_t)(random_next(r) % n) : 0; }

/* ---- memory --------------------------------------------------------------------- */

static size_t allocated, peak, at_first;

__attribute__((unused)) static void on_malloc(const volatile void *p, size_t n) {
  size_t now = __atomic_add_fetch(&allocated, n, __ATOMIC_RELAXED);
  (void)p;
  if (now > peak) peak = now;
  if (now <= at_first + FUZZ_BYTES) return;
  at_first = SIZE_MAX / 2; /* said once */
  fprintf(stderr, "more than %d MB of memory\n", FUZZ_BYTES >> 20);
  abort();
}

__attribute__((unused)) static void on_free(const volatile void *p) {
  if (p) __atomic_sub_fetch(&allocated, __sanitizer_get_allocated_size(p), __ATOMIC_RELAXED);
}

size_t fuzz_peak(void) { return peak - at_first; }

Verdict fuzz_broken(const char *what, const char *more) {
  fprintf(stderr, "%s%s%s\n", what, more ? ": " : "", more ? more : "");
  return BROKEN;
}

/* ---- places ----------------------------------------------------------------------- */

static bool inside(const Diags *d, Span s) {
  if (!s.line) return true;
  const Source *file = diags_source_at(d, s.file);
  const char *p = file->text, *end = p + file->size;
  for (int line = 1; line < s.line; line++) {
    p = memchr(p, '\n', (size_t)(end - p));
    if (!p++) return false;
  }
  const char *stop = memchr(p, '\n', (size_t)(end - p));
  return s.col >= 1 && s.col <= (stop ? stop : end) - p + 1 && s.end_line >= s.line;
}

bool fuzz_places(const Diags *d) {
  bool fine = true;
  for (int i = 0; i < diags_count(d); i++) {
    const Diag *x = diags_at(d, i);
    bool good = x->span.line && inside(d, x->span);
    for (int k = 0; k < x->labels.n; k++) good = good && inside(d, x->labels.at[k].span);
    for (int k = 0; k < x->notes.n; k++) good = good && inside(d, x->notes.at[k].span);
    if (!good) fprintf(stderr, "a place outside the file: %s\n", x->message);
    fine = fine && good;
  }
  StrBuf out = {0};
  diags_print(d, &out, true);
  diags_print_json(d, &out);
  sb_free(&out);
  return fine;
}

#ifdef LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  StrBuf text = {0};
  sb_write(&text, (const char *)data, size);
  sb_puts(&text, "");
  if (fuzzer.run(text.s, text.n, true) == BROKEN) abort();
  sb_free(&text);
  return 0;
}

#else

/* ---- inputs ----------------------------------------------------------------------- */

enum {
  FILES_MAX = 1024,
  FAILURES = 50 /* after so many it stops */
};

typedef struct Files {
  StrBuf text[FILES_MAX]; /* corpus, then seeds */
  int corpus, n;
} Files;

/* What the process that runs inputs leaves behind. */
typedef struct Shared {
  volatile long i;          /* the input that is tried */
  bool accepted[FILES_MAX]; /* of the files */
  long good;                /* accepted inputs made of them */
} Shared;

/* Expectations at the end of a test file (lines with #= and #!) are left out. */
static bool add_file(Files *files, const char *path) {
  FILE *f = fopen(path, "rb");
  char block[4096];
  if (!f || files->n == FILES_MAX) {
    fprintf(stderr, "fuzz_%s: cannot read %s\n", fuzzer.name, path);
    if (f) fclose(f);
    return false;
  }
  StrBuf *b = &files->text[files->n++];
  sb_write(b, "", 0);
  for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;) sb_write(b, block, n);
  fclose(f);
  for (char *end; b->n && (end = strrchr(b->s, '#')) && (end == b->s || end[-1] == '\n') &&
                  (end[1] == '=' || end[1] == '!');)
    b->n = (size_t)(end - b->s), *end = '\0';
  return true;
}

/* Those of a folder in the order of their names. */
static bool add_folder(Files *files, const char *folder) {
  char path[1024];
  struct dirent **at;
  int n = scandir(folder, &at, NULL, alphasort);
  bool ok = n >= 0 || errno == ENOENT;
  for (int i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, at[i]->d_name);
    if (at[i]->d_name[0] != '.') ok = add_file(files, path) && ok;
    free(at[i]);
  }
  if (n >= 0) free(at);
  return ok;
}

static bool add_files(Files *files, char **paths) {
  char corpus[256];
  snprintf(corpus, sizeof corpus, "tests/fuzz/corpus/%s", fuzzer.name);
  bool ok = add_folder(files, corpus);
  files->corpus = files->n;
  for (; *paths; paths++) {
    struct stat s;
    bool folder = stat(*paths, &s) == 0 && S_ISDIR(s.st_mode);
    ok = (folder ? add_folder : add_file)(files, *paths) && ok;
  }
  return ok;
}

static void input(const Files *files, const Shared *shared, uint64_t seed, long i, StrBuf *out) {
  if (i < files->n) {
    sb_write(out, files->text[i].s, files->text[i].n);
    return;
  }
  Random mixed = {seed}, r = {random_next(&mixed) ^ (uint64_t)i};
  random_next(&r);
  Seeds seeds = {files->text, shared->accepted, files->n};
  fuzzer.make(&r, &seeds, out);
}

/* ---- the process that they run in --------------------------------------------------- */

static double usage_seconds(int who) {
  struct rusage u;
  getrusage(who, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void watch(int seconds) { /* SIGPROF kills */
  struct itimerval t = {.it_value.tv_sec = seconds};
  setitimer(ITIMER_PROF, &t, NULL);
}

typedef struct Budget {
  double cpu;     /* seconds, of this process and of those it started; 0: no limit */
  long mutations; /* 0: no limit, if there is one in time */
} Budget;

static bool more(const Files *files, long i, const Budget *b) {
  if (i < files->n) return true;
  if (b->cpu > 0 && usage_seconds(RUSAGE_SELF) + usage_seconds(RUSAGE_CHILDREN) >= b->cpu)
    return false;
  return i - files->n < b->mutations || (b->cpu > 0 && b->mutations == 0);
}

static bool work(const Files *files, uint64_t seed, const Budget *budget, Shared *s) {
  if (!fuzzer.refuses) __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
  for (; more(files, s->i, budget); s->i++) {
    StrBuf text = {0};
    input(files, s, seed, s->i, &text);
    sb_puts(&text, "");
    /* exactly as long as it is, so that a byte too many is read outside */
    char *exact = malloc(text.n + 1);
    if (!exact) return true;
    memcpy(exact, text.s, text.n + 1);
    at_first = peak = allocated;
    watch(FUZZ_SECONDS);
    alarm(30 * FUZZ_SECONDS); /* something waits for ever */
    bool seed_only =
        s->i >= files->corpus && s->i < files->n && (budget->cpu > 0 || budget->mutations > 0);
    Verdict verdict = fuzzer.run(exact, text.n, !seed_only);
    watch(0);
    free(exact);
    sb_free(&text);
    if (verdict == BROKEN) return false;
    if (s->i < files->n)
      s->accepted[s->i] = verdict == ACCEPTED;
    else
      s->good += verdict == ACCEPTED;
  }
  return true;
}

/* ---- the loop ------------------------------------------------------------------------ */

static void report(const Files *files, const Shared *s, uint64_t seed, int status) {
  long i = s->i;
  char path[256];
  StrBuf text = {0};
  input(files, s, seed, i, &text);
  sb_puts(&text, "");
  snprintf(path, sizeof path, "build/fuzz/%s-%llu-%ld%s", fuzzer.name, (unsigned long long)seed, i,
           fuzzer.ext);
  FILE *f = fopen(path, "wb");
  bool kept = f && fwrite(text.s, 1, text.n, f) == text.n;
  if (f) kept = fclose(f) == 0 && kept;
  fprintf(stderr, "fuzz_%s: input %ld%s%s%s, %s:\n", fuzzer.name, i,
          WIFSIGNALED(status) ? " ended by " : " failed",
          WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "",
          WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF ? " (too long)" : "",
          kept ? path : "and could not be kept");
  fwrite(text.s, 1, text.n, stderr);
  fprintf(stderr, "\n----\n");
  sb_free(&text);
}

static int usage(const char *what) {
  fprintf(stderr, "fuzz_%s: %s\n", fuzzer.name, what);
  return 2;
}

int main(int argc, char **argv) {
  static Files files;
  Budget budget = {0};
  long failed = 0;
  uint64_t seed = 1;
  int first = 1;
  for (; first + 1 < argc && !strncmp(argv[first], "--", 2); first += 2) {
    if (!strcmp(argv[first], "--mutations"))
      budget.mutations = strtol(argv[first + 1], NULL, 10);
    else if (!strcmp(argv[first], "--seed"))
      seed = strtoull(argv[first + 1], NULL, 10);
    else if (!strcmp(argv[first], "--cpu"))
      budget.cpu = strtod(argv[first + 1], NULL);
    else
      return usage("it has --cpu, --mutations and --seed");
  }
  if (!add_files(&files, argv + first)) return usage("no inputs");
  mkdir("build", 0777);
  mkdir("build/fuzz", 0777);
  Shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (s == MAP_FAILED) return usage("no memory");
  for (; failed < FAILURES && more(&files, s->i, &budget); failed++, s->i++) {
    double spent = usage_seconds(RUSAGE_CHILDREN);
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) return usage("no process");
    if (pid == 0) {
      if (budget.cpu > 0) budget.cpu -= spent;
      _exit(work(&files, seed, &budget, s) ? 0 : 1);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (status == 0) break;
    report(&files, s, seed, status);
  }
  long tried = s->i > files.n ? s->i - files.n : 0;
  printf("%d inputs of the corpus, %d files; %ld inputs made of them, %ld of them good\n",
         files.corpus, files.n - files.corpus, tried, s->good);
  long tests = files.n + (tried > 0); /* a file each, and all that was made */
  printf("%ld passed, %ld failed\n", failed < tests ? tests - failed : 0, failed);
  for (int i = 0; i < files.n; i++) sb_free(&files.text[i]);
  return failed > 0;
}

#endif
