/* SPDX-License-Identifier: MIT */
/* What the compiler writes: the golden files byte by byte, the C that builds
 * alone and samples, the CUDA that NVIDIA's compiler takes, the kernels of the
 * flagship's training step, and how little of it is compiled again after a change.
 *
 * After a wanted change, from the project's folder:
 *
 *   build/tdc tests/golden/tiny.td -o generated/golden
 *   UPDATE=1 build/tests/test_output */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/backend.h"
#include "runtime/system/io.h"
#include "runtime/system/spawn.h"
#include "runtime/cpu/toolchain.h"
#include "runtime/cuda/compile.h"
#include "runtime/cuda/library.h"
#include "tests/sandbox.h"

static const char golden[] = "generated/golden";
static const char verse[] = "tests/models/verse.txt";
static const char kernels[] = "tests/golden/shakespeare_step.txt";

/* Runs a program; its output, to be freed. */
static char *run(const char *const *argv, int expected) {
  SpawnJob job = {.argv = argv, .timeout = 300};
  spawn_all(&job, 1, 1, NULL);
  if (!job.started || job.code != expected)
    fail_msg("%s: %s, exit %d:\n%s", argv[0], job.started ? "ended" : "did not start", job.code,
             job.output.s != NULL ? job.output.s : "");
  return job.output.s != NULL ? job.output.s : strdup("");
}

static char *read_text(const char *folder, const char *name) {
  TdError err = {0};
  char *path = name != NULL ? io_join(folder, name) : strdup(folder);
  uint8_t *bytes;
  size_t n;
  if (!io_read_file(NULL, path, 64 << 20, &bytes, &n, &err)) fail_msg("%s", err.message);
  char *text = strndup((const char *)bytes, n);
  free(bytes);
  free(path);
  return text;
}

static void same_text(const char *what, const char *want, const char *got) {
  int line = 1;
  for (; *want != '\0' && *want == *got; want++, got++) line += *want == '\n';
  if (*want != *got)
    fail_msg("%s differs at line %d:\n  kept: %.100s\n  now:  %.100s", what, line, want, got);
}

static int files_of(const char *folder) {
  int n = 0;
  DIR *d = opendir(folder);
  assert_non_null(d);
  for (struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static void golden_files(void **state) {
  const char *const argv[] = {"build/tdc", "tests/golden/tiny.td", "-q", "-o", *state, NULL};
  free(run(argv, 0));
  DIR *d = opendir(golden);
  assert_non_null(d);
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    if (e->d_name[0] == '.') continue;
    char *want = read_text(golden, e->d_name), *got = read_text(*state, e->d_name);
    same_text(e->d_name, want, got);
    free(want);
    free(got);
  }
  closedir(d);
  assert_int_equal(files_of(*state), files_of(golden));
}

/* Compiles the example with the golden program; `more`: further flags. */
static char *build_example(const char *folder, const char *name, const char *const *more) {
  char *program = io_join(folder, name);
  const char *argv[64] = {"cc", "-Wall", "-Wextra", "-Werror"};
  int n = 4;
  for (const char *const *f = toolchain_flags(); *f != NULL; f++) argv[n++] = *f;
  for (; *more != NULL; more++) argv[n++] = *more;
  const char *const rest[] = {
      "-I",  golden,     "tests/golden/sample.c", "generated/golden/tiny.c", "-o", program,
      "-lm", "-lpthread"};
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) argv[n++] = rest[i];
  argv[n] = NULL;
  free(run(argv, 0));
  return program;
}

static char *run_example(const char *program, const char *threads) {
  const char *const argv[] = {program, verse, threads, "5", NULL};
  return run(argv, 0);
}

/* The sampled rows stand between bars. */
static char *row_of(const char *output, int which) {
  for (const char *at = output; (at = strchr(at, '|')) != NULL; at++) {
    if (which-- == 0) return strndup(at + 1, strcspn(at + 1, "|"));
    at = strchr(at + 1, '|');
  }
  fail_msg("no row in:\n%s", output);
  return NULL;
}

/* It builds alone without a warning, and gives the text that tdc gives, whatever
 * the number of threads; sanitizers find nothing in it. */
static void standalone_samples(void **state) {
  static const char *const plain[] = {NULL};
  static const char *const sane[] = {"-g", "-fsanitize=address,undefined",
                                     "-fno-sanitize-recover=all", NULL};
  static const char *const threads[] = {"-g", "-fsanitize=thread", NULL};
  char *program = build_example(*state, "plain", plain);
  char *one = run_example(program, "1"), *three = run_example(program, "3");
  assert_string_equal(one, three);
  const char *const argv[] = {
      "build/tdc", "sample", "tests/golden/tiny.td", "--untrained", "-q", "--seed", "5", NULL};
  char *text = run(argv, 0), *row = row_of(one, 0), *trained = row_of(one, 1);
  if (strlen(row) != 8) fail_msg("not one row of 8 symbols: '%s'", one);
  assert_memory_equal(text, row, 8);
  assert_string_not_equal(row, trained);
  char *checked = build_example(*state, "sane", sane),
       *raced = build_example(*state, "threads", threads);
  char *two = run_example(checked, "2"), *four = run_example(raced, "4");
  char *again[2] = {row_of(two, 0), row_of(four, 0)};
  assert_string_equal(row, again[0]);
  assert_string_equal(row, again[1]);
  char *all[] = {program, one,   three, text, row,      trained,
                 checked, raced, two,   four, again[0], again[1]};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* NVIDIA's compiler, where it is installed, takes the CUDA file as it stands, for each
 * architecture, and makes every kernel of it. */
static void cuda_file_compiles(void **state) {
  static const char *const architectures[] = {"sm_80", "sm_90a", "sm_100a"};
  (void)state;
  Nvrtc n;
  TdError err = {0};
  if (!cuda_nvrtc_open(&n, NULL, &err)) {
    printf("SKIP: NVRTC is not installed\n");
    skip();
  }
  char *text = read_text(golden, "tiny.cu");
  for (int i = 0; i < 3; i++) {
    char architecture[64];
    NvrtcProgram program;
    size_t bytes = 0;
    int kernels_found = 0;
    snprintf(architecture, sizeof architecture, "--gpu-architecture=%s", architectures[i]);
    const char *options[16] = {architecture};
    int noptions = 1;
    for (const char *const *f = cubin_flags(); *f != NULL; f++) options[noptions++] = *f;
    assert_int_equal(n.nvrtcCreateProgram(&program, text, "tiny.cu", 0, NULL, NULL), NVRTC_OK);
    NvrtcResult r = n.nvrtcCompileProgram(program, noptions, options);
    assert_int_equal(n.nvrtcGetProgramLogSize(program, &bytes), NVRTC_OK);
    char *log = calloc(bytes + 1, 1);
    n.nvrtcGetProgramLog(program, log);
    if (r != NVRTC_OK) fail_msg("%s: %s", architectures[i], log);
    assert_null(strstr(log, "warning"));
    for (const char *at = log; (at = strstr(at, "Compiling entry function")) != NULL; at++)
      kernels_found++;
    int written = 0;
    for (const char *at = text; (at = strstr(at, "\nTD_KERNEL(")) != NULL; at++) written++;
    assert_true(written >= 15);
    assert_int_equal(kernels_found, written);
    assert_int_equal(n.nvrtcGetCUBINSize(program, &bytes), NVRTC_OK);
    assert_true(bytes > 1000);
    n.nvrtcDestroyProgram(&program);
    free(log);
  }
  free(text);
}

/* The steps of the training entry out of plan.txt: names, classes, bytes. */
static char *training_steps(const char *folder) {
  char *plan = read_text(folder, "plan.txt"), *at = strstr(plan, "\nentry train:");
  if (at == NULL) fail_msg("the plan has no entry train");
  StrBuf kept = {0};
  for (at++; *at == 'e' ||
             (at[0] == ' ' && at[1] == ' ' && strspn(at, " ") + at != strpbrk(at, "tsic"));) {
    size_t n = strcspn(at, "\n");
    sb_write(&kept, at, n + 1);
    at += n + 1;
  }
  free(plan);
  return kept.s;
}

static void flagship_kernels(void **state) {
  const char *const argv[] = {
      "build/tdc", "models/shakespeare.td", "-D", "B=8", "--data", verse, "-q", "-o", *state, NULL};
  free(run(argv, 0));
  char *got = training_steps(*state);
  if (getenv("UPDATE") != NULL) {
    FILE *f = fopen(kernels, "w");
    assert_true(f != NULL && fputs(got, f) >= 0 && fclose(f) == 0);
  }
  char *want = read_text(kernels, NULL);
  same_text(kernels, want, got);
  free(want);
  free(got);
}

/* How many units `tdc sample` has to compile for that text, with the cache in `folder`. */
static int compiled_units(const char *folder, const char *text) {
  TdError err = {0};
  char *path = io_join(folder, "edited.td"), *cache = io_join(folder, "cache");
  if (!io_write_file(NULL, path, text, strlen(text), &err)) fail_msg("%s", err.message);
  setenv("TDC_CACHE", cache, 1);
  setenv("TDC_CFLAGS", "-O0", 1);
  const char *const argv[] = {"build/tdc", "sample", path,  "--untrained", "--data",
                              verse,       "-D",     "B=1", "-D",          "D=48",
                              "-D",        "N=1",    "-D",  "L=16",        NULL};
  char *said = run(argv, 0), *at = strstr(said, "compiled ");
  int n = at != NULL ? atoi(at + strlen("compiled ")) : 0;
  unsetenv("TDC_CACHE");
  unsetenv("TDC_CFLAGS");
  free(said);
  free(path);
  free(cache);
  return n;
}

/* `from`, which must be there, as `to`; to be freed. */
static char *edited(const char *text, const char *from, const char *to) {
  const char *at = strstr(text, from);
  if (at == NULL) fail_msg("'%s' is not in the text", from);
  StrBuf s = {0};
  sb_write(&s, text, (size_t)(at - text));
  sb_printf(&s, "%s%s", to, at + strlen(from));
  return s.s;
}

/* A change compiles what it touches: lines that move nothing, an op its kernels. */
static void changes_compile_little(void **state) {
  char *text = read_text("models/shakespeare.td", NULL);
  char *moved = edited(text, "op sharpen(", "# another line\n\nop sharpen(");
  char *sharper = edited(text, "clamp(x0[b,l,v], 0.0001, 1)", "clamp(x0[b,l,v], 0.001, 1)");
  int all = compiled_units(*state, text);
  if (all < 5) fail_msg("only %d units", all);
  assert_int_equal(compiled_units(*state, text), 0);
  assert_int_equal(compiled_units(*state, moved), 0);
  int some = compiled_units(*state, sharper);
  if (some < 1 || some > 2) fail_msg("a changed op compiled %d of %d units", some, all);
  free(text);
  free(moved);
  free(sharper);
}

/* What --dump prints after any pass is read back, entry by entry. */
static void dumps_are_read_back(void **state) {
  char *path = io_join(*state, "graph.ir");
  int graphs = 0;
  for (int i = 0; strcmp(backend_form(i), "plan") != 0; i++) {
    const char *const argv[] = {
        "build/tdc", "tests/models/gru_lm.td", "--dump", backend_form(i), "-q", NULL};
    char *all = run(argv, 0), *at = strstr(all, "graph ");
    while (at != NULL) {
      char *next = strstr(at, "\ngraph ");
      size_t n = next != NULL ? (size_t)(next - at) + 1 : strlen(at);
      TdError err = {0};
      if (!io_write_file(NULL, path, at, n, &err)) fail_msg("%s", err.message);
      const char *const opt[] = {"build/tdc", "opt", path, NULL};
      free(run(opt, 0));
      graphs++;
      at = next != NULL ? next + 1 : NULL;
    }
    free(all);
  }
  if (graphs < 8 * 5) fail_msg("only %d graphs were printed", graphs);
  free(path);
}

/* A plan is printed for every entry, the same each time. */
static void plans_are_printed(void **state) {
  (void)state;
  const char *const argv[] = {"build/tdc", "tests/models/gru_lm.td", "--dump", "plan", "-q", NULL};
  char *once = run(argv, 0), *again = run(argv, 0);
  int plans = 0;
  for (const char *at = strstr(once, "plan "); at != NULL; at = strstr(at + 1, "\nplan ")) plans++;
  if (plans < 5) fail_msg("only %d plans were printed", plans);
  assert_string_equal(once, again);
  free(once);
  free(again);
}

int main(void) {
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, sandbox_make, sandbox_remove)
  const struct CMUnitTest tests[] = {IN_FOLDER(golden_files),
                                     IN_FOLDER(standalone_samples),
                                     cmocka_unit_test(cuda_file_compiles),
                                     IN_FOLDER(flagship_kernels),
                                     IN_FOLDER(changes_compile_little),
                                     IN_FOLDER(dumps_are_read_back),
                                     cmocka_unit_test(plans_are_printed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
