/* SPDX-License-Identifier: MIT */
/* Memory that runs out at the n-th allocation: while a file is compiled, while a
 * step is trained, while a text is drawn. Each n is a process of its own, which
 * must end well or with an error of its own words; the run's checkpoint must be
 * whole after it. A few n of each by default, all of them at release depth. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/system/cache.h"
#include "runtime/system/io.h"
#include "runtime/system/spawn.h"
#include "runtime/td.h"
#include "tests/sandbox.h"

/* ---- allocation that fails -------------------------------------------------------- */

/* Counts once it is armed. Call `fails` fails, and with `on` all after it, as when
 * memory is really out. Linked with --wrap for each of these names. */
static struct {
  bool armed, on;
  long calls, fails;
} memory;

static bool refused(void) {
  if (!memory.armed) return false;
  memory.calls++;
  bool out = memory.calls == memory.fails || (memory.on && memory.calls > memory.fails);
  if (out) errno = ENOMEM;
  return out;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
char *__real_realpath(const char *path, char *out);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
char *__wrap_realpath(const char *path, char *out);

void *__wrap_malloc(size_t n) { return refused() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return refused() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return refused() ? NULL : __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t align, size_t n) {
  return refused() ? NULL : __real_aligned_alloc(align, n);
}
char *__wrap_strdup(const char *s) { return refused() ? NULL : __real_strdup(s); }
char *__wrap_strndup(const char *s, size_t n) { return refused() ? NULL : __real_strndup(s, n); }
char *__wrap_realpath(const char *path, char *out) {
  return refused() ? NULL : __real_realpath(path, out);
}

/* jansson is a library of its own, and asks here too */
void json_set_alloc_funcs(void *(*malloc_fn)(size_t), void (*free_fn)(void *));
static void *json_malloc_here(size_t n) { return __wrap_malloc(n); }

/* ---- what is tried ------------------------------------------------------------------ */

static const char model[] =
    SANDBOX_MODEL("h") "sampler flat(steps = 2, prompt = \"\") {\n"
                       "  state s[B,L,V] ~ normal()\n"
                       "  for t in 1 .. 0 steps steps { s[b,l,v] = s[b,l,v] + normal() }\n"
                       "  emit prompt.given[l] ? prompt[l] : argmax[v](s[b,l,v])\n"
                       "}\n"
                       "train { loss main  adam(lr = 0.01)  batch B  steps 9 }\n";

/* ON_GPU: a text drawn on the emulated device, from opening the file on. NEW_KERNELS: with
 * nothing in the cache. */
typedef enum Part { COMPILING, TRAINING, SAMPLING, ON_GPU, NEW_KERNELS } Part;

static const TdOptions options = {.threads = 1, .offline = true},
                       on_gpu = {.threads = 1, .offline = true, .device = "cuda"};

static bool train(Td *td, bool resume, int64_t steps, TdError *err) {
  return td_train(td, &(TdTrainOptions){.folder = "run", .resume = resume, .steps = steps}, err);
}

/* In a process of its own: the part with its n-th allocation failing (0: none).
 * Its status, and to the pipe how many allocations there were. */
static int attempt(Part part, long n, bool on, int64_t steps, int to) {
  TdError err = {0};
  TdSetting prompt = {"prompt", "the"};
  bool ok = true;
  char *text = NULL;
  json_set_alloc_funcs(json_malloc_here, free);
  memory.fails = n;
  memory.on = on;
  bool gpu = part == ON_GPU || part == NEW_KERNELS, whole = gpu || part == COMPILING;
  memory.armed = whole;
  Td *td = td_open("model.td", gpu ? &on_gpu : &options, &err);
  memory.armed = (gpu || !whole) && td != NULL;
  if (td == NULL)
    ok = false;
  else if (part == TRAINING)
    ok = train(td, true, steps, &err);
  else if (part != COMPILING)
    ok = td_sample(td, NULL, &prompt, 1, 1, &text, &err);
  free(text);
  td_close(td);
  memory.armed = false;
  if (write(to, &memory.calls, sizeof memory.calls) != sizeof memory.calls) return 99;
  if (!ok) fprintf(stderr, "%s\n", err.message);
  if (!ok && (err.status == TD_OK || err.message[0] == '\0')) return 98;
  return ok ? 0 : (int)err.status;
}

/* The exit code of that process, or 1000 + the signal that ended it. */
static int attempt_apart(Part part, long n, bool on, int64_t steps, long *calls) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    close(ends[0]);
    _exit(attempt(part, n, on, steps, ends[1]));
  }
  close(ends[1]);
  *calls = -1;
  if (read(ends[0], calls, sizeof *calls) != sizeof *calls) *calls = -1;
  close(ends[0]);
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void try_part(Part part, const char *name, long few) {
  long all = 0, ignored;
  int64_t steps = 3; /* the run's third step, unless one has been made already */
  int code = attempt_apart(part, 0, false, steps, &all);
  if (code != 0 || all < 5) fail_msg("%s: exit %d, %ld allocations", name, code, all);
  bool every = getenv("TDC_TEST_LONG") != NULL;
  long stride = every || all <= few ? 1 : all / few;
  for (long i = 0; 1 + i / 2 * stride <= all; i++) {
    long n = 1 + i / 2 * stride;
    if (part == TRAINING) steps++;
    if (part == NEW_KERNELS) cache_remove_folder("gpu");
    code = attempt_apart(part, n, i % 2 != 0, steps, &ignored);
    if (code != 0 && code != TD_IO_FAILED)
      fail_msg("%s: exit %d when allocation %ld of %ld fails%s", name, code, n, all,
               i % 2 != 0 ? ", and all after it" : "");
    if (part == TRAINING && i % 8 == 0 && attempt_apart(SAMPLING, 0, false, 0, &ignored) != 0)
      fail_msg("%s: no sample after allocation %ld of %ld", name, n, all);
  }
  print_message("%s: %ld allocations, every %ld. failed\n", name, all, stride);
}

static void test_compiling(void **state) {
  (void)state;
  try_part(COMPILING, "compile", 100);
}
static void test_sampling(void **state) {
  (void)state;
  try_part(SAMPLING, "sample", 60);
}

/* Whatever failed, the checkpoint of before or the one of after can be read. */
static void test_training(void **state) {
  (void)state;
  try_part(TRAINING, "train", 40);
  TdError err = {0};
  Td *td = td_open("model.td", &options, &err);
  assert_non_null(td);
  if (!td_load(td, "run", &err)) fail_msg("%s", err.message);
  td_close(td);
}

static void test_gpu(void **state) {
  (void)state;
  setenv("TDC_CACHE", "gpu", 1);
  try_part(ON_GPU, "sample on a GPU", 80);
  try_part(NEW_KERNELS, "compile for a GPU", 16);
}

static int enter_folder(void **state) {
  TdError err = {0};
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("model.td", model);
  /* in a process of its own, so that those to come are not children of threads */
  pid_t child = fork();
  if (child == 0) {
    Td *td = td_open("model.td", &options, &err);
    bool ok = td != NULL && train(td, false, 2, &err);
    if (!ok) fprintf(stderr, "%s\n", err.message);
    _exit(ok ? 0 : 1);
  }
  int status = 1;
  return waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

int main(int argc, char **argv) {
  (void)argc;
  char emulator[4096], only[4200], *folder = io_dirname(argv[0]);
  snprintf(only, sizeof only, "%s/cuda_emu", folder != NULL ? folder : ".");
  free(folder);
  if (realpath(only, emulator) == NULL) return 1;
  snprintf(only, sizeof only, "%s:-", emulator);
  setenv("TDC_CUDA_LIBRARIES", only, 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_compiling),
                                     cmocka_unit_test(test_training),
                                     cmocka_unit_test(test_sampling), cmocka_unit_test(test_gpu)};
  return cmocka_run_group_tests(tests, enter_folder, sandbox_leave);
}
