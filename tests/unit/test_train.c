/* SPDX-License-Identifier: MIT */
/* Training runs that are stopped, killed, damaged and resumed: the weights in
 * the end are those of the run that nothing happened to, bit by bit. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/cpu/device.h"
#include "runtime/system/cache.h"
#include "runtime/store/checkpoint.h"
#include "runtime/data/feed.h"
#include "runtime/machine.h"
#include "runtime/project.h"
#include "runtime/store/record.h"
#include "runtime/train/sample.h"
#include "runtime/train/train.h"
#include "runtime/view/logs.h"

enum { STEPS = 12 };

static const char model[] = "use nn\n"
                            "data text { source \"./text.txt\"  tokens chars  split 0.8 }\n"
                            "dim B = 4, L = 8, V = text.vocab, D = 8\n"
                            "const rate = 0.01, poison = 0.0\n"
                            "model next(x: id<V>[B,L]) -> y[B,L,V] {\n"
                            "  param e[V,D] ~ normal(0, 0.3)\n"
                            "  h[b,l,d] = e[x[b,l],d]\n"
                            "  g = sqrt(h * h + 1.0 - poison)\n" /* line 8 */
                            "  y = linear(dropout(tanh(linear(g + h, D)), 0.1), V)\n"
                            "}\n"
                            "loss main(x: id<V>[B,L]) {\n"
                            "  y = next(x)\n"
                            "  p[b,l,v] = y[b,l,v] - logsumexp[u](y[b,l,u])\n"
                            "  minimize mean[b, l in 0 : L-1](-p[b,l,x[b,l+1]])\n"
                            "}\n"
                            "sampler walk(prompt = \"\", steps = 4, noise = 0.1) {\n"
                            "  state s[b in B, l in L, v in V] = normal()\n"
                            "  for t in 3 .. 0 steps steps { s[b,l,v] = (prompt.given[l] && "
                            "prompt[l] == v ? 9 : s[b,l,v] * 0.5) + noise * normal() }\n"
                            "  emit argmax[v](s[b,l,v])\n"
                            "}\n"
                            "train { loss main  adam(lr = rate)  batch B  steps 12  clip 1.0  ema "
                            "0.9  eval every 4  checkpoint every 3 }\n";

/* The compiled model, shared by the tests. */
typedef struct Fixture {
  char *folder, *td, *run;
  Project project;
  Jit *jit;
  Pool *pool;
  Session *session;
} Fixture;

static void write_text(const char *path, const char *text, size_t n) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(text, 1, n, f), n);
  fclose(f);
}

/* 2,000 letters with some order in them. */
static void write_corpus(const char *path, const char *letters) {
  char text[2000];
  uint32_t u = 1;
  for (size_t i = 0; i < sizeof text; i++) {
    u = u * 1664525u + 1013904223u;
    text[i] = i % 3 == 0 ? ' ' : letters[(u >> 20) % strlen(letters)];
  }
  write_text(path, text, sizeof text);
}

static void open_with(Fixture *f, int threads, const Define *defines, int n) {
  TdError err = {0};
  ProjectOptions o = {.path = f->td};
  o.unit.defines = defines;
  o.unit.ndefines = n;
  JitOptions jit = {0};
  if (!project_open(&f->project, &o, &err)) {
    project_report(&f->project, false, false, stderr);
    fail_msg("%s", err.message);
  }
  f->pool = pool_new(threads, &err);
  f->jit = jit_build(f->project.unit->program, &jit, &err);
  if (f->jit == NULL) fail_msg("%s", err.message);
  const TdProgram *p = f->project.unit->program;
  f->session = session_new(p, cpu_device(p, f->jit, f->pool, &err), &err);
  assert_non_null(f->session);
}

static void close_all(Fixture *f) {
  session_free(f->session);
  jit_close(f->jit);
  pool_free(f->pool);
  project_close(&f->project);
}

static int make_fixture(void **state) {
  Fixture *f = calloc(1, sizeof *f);
  char here[512];
  if (f == NULL || getcwd(here, sizeof here) == NULL) return -1;
  f->folder = io_join(here, "train-test-XXXXXX");
  if (mkdtemp(f->folder) == NULL) return -1;
  f->td = io_join(f->folder, "model.td");
  char *text = io_join(f->folder, "text.txt"), *cache = io_join(f->folder, "cache");
  setenv("TDC_CACHE", cache, 1);
  setenv("TDC_CFLAGS", "-O1", 1);
  write_text(f->td, model, strlen(model));
  write_corpus(text, "abcdefgh");
  open_with(f, 2, NULL, 0);
  free(text);
  free(cache);
  *state = f;
  return 0;
}

static int free_fixture(void **state) {
  Fixture *f = *state;
  close_all(f);
  cache_remove_folder(f->folder);
  free(f->folder);
  free(f->td);
  free(f);
  return 0;
}

static int fresh_run(void **state) {
  Fixture *f = *state;
  f->run = io_join(f->folder, "run");
  cache_remove_folder(f->run);
  return 0;
}

static int end_run(void **state) {
  Fixture *f = *state;
  free(f->run);
  return 0;
}

static TrainOptions options(Fixture *f, json_t *record) {
  return (TrainOptions){.project = &f->project,
                        .session = f->session,
                        .folder = f->run,
                        .seed = 3,
                        .record = record,
                        .terminal = terminal_open(stderr, COLOUR_NEVER),
                        .quiet = true};
}

/* Train to `steps`; the status. */
static TdStatus train(Fixture *f, int64_t steps, bool resume, const IoHook *hook, TdError *err) {
  json_t *record =
      record_make(&f->project, NULL, 0, 3, &(RecordMachine){.device = "cpu", .threads = 1});
  TrainOptions o = options(f, record);
  *err = (TdError){0};
  o.steps = steps;
  o.resume = resume;
  o.hook = hook;
  bool ok = train_run(&o, err);
  json_decref(record);
  return ok ? TD_OK : err->status;
}

/* The checksums of all tensors of the newest checkpoint, joined. */
static char *newest_sums(const char *run, int64_t *step) {
  TdError err = {0};
  StrBuf s = {0};
  Checkpoint *c = checkpoint_newest(NULL, run, NULL, &err);
  if (c == NULL) fail_msg("no checkpoint: %s", err.message);
  *step = checkpoint_info(c)->step;
  StFile *file = st_open(NULL, checkpoint_path(c), &err);
  for (int i = 0; i < st_meta_count(file); i++) {
    StPair p = st_meta_at(file, i);
    if (strncmp(p.key, "sha256 ", 7) == 0 || strcmp(p.key, "best") == 0)
      sb_printf(&s, "%s=%s\n", p.key, p.value);
  }
  st_close(file);
  checkpoint_close(c);
  return s.s;
}

/* What an undisturbed run ends with. */
static char *undisturbed(Fixture *f) {
  TdError err;
  int64_t step;
  if (train(f, STEPS, false, NULL, &err) != TD_OK) fail_msg("%s", err.message);
  char *sums = newest_sums(f->run, &step);
  assert_int_equal(step, STEPS);
  cache_remove_folder(f->run);
  return sums;
}

static void ends_as(Fixture *f, const char *want) {
  int64_t step;
  char *sums = newest_sums(f->run, &step);
  assert_int_equal(step, STEPS);
  assert_string_equal(sums, want);
  free(sums);
}

static void test_resume_at_every_step(void **state) {
  Fixture *f = *state;
  TdError err;
  char *want = undisturbed(f);
  for (int64_t k = 1; k < STEPS; k++) {
    assert_int_equal(train(f, k, false, NULL, &err), TD_OK);
    assert_int_equal(train(f, STEPS, true, NULL, &err), TD_OK);
    /* an evaluation at the end of the first part is one more: weights alone are compared */
    int64_t step;
    char *sums = newest_sums(f->run, &step), *a = strstr(sums, "sha256"),
         *b = strstr(want, "sha256");
    assert_string_equal(a, b);
    free(sums);
    cache_remove_folder(f->run);
  }
  free(want);
}

static void test_threads(void **state) {
  Fixture *f = *state;
  TdError err;
  char *want = undisturbed(f);
  for (int threads = 1; threads <= 3; threads += 2) {
    Fixture other = {.folder = f->folder, .td = f->td, .run = f->run};
    open_with(&other, threads, NULL, 0);
    assert_int_equal(train(&other, STEPS, false, NULL, &err), TD_OK);
    ends_as(f, want);
    cache_remove_folder(f->run);
    close_all(&other);
  }
  free(want);
}

static void test_refusals(void **state) {
  Fixture *f = *state;
  TdError err;
  assert_int_equal(train(f, 3, true, NULL, &err), TD_BAD_USAGE); /* nothing to resume */
  assert_int_equal(train(f, 3, false, NULL, &err), TD_OK);
  assert_int_equal(train(f, 3, false, NULL, &err), TD_BAD_USAGE); /* there is a run */
  assert_non_null(strstr(err.message, "--resume"));
  int lock = io_lock(f->run, &err);
  assert_int_equal(train(f, 6, true, NULL, &err), TD_IO_FAILED); /* somebody is at it */
  assert_non_null(strstr(err.message, "in use"));
  io_unlock(lock);
  json_t *record = json_object();
  TrainOptions o = options(f, record);
  o.resume = o.has_seed = true;
  o.seed = 4;
  assert_false(train_run(&o, &err));
  assert_non_null(strstr(err.message, "seed"));
  json_decref(record);
  char *text = io_join(f->folder, "text.txt");
  write_corpus(text, "abcdefgx");
  Fixture other = {.folder = f->folder, .td = f->td, .run = f->run};
  open_with(&other, 1, NULL, 0);
  assert_int_equal(train(&other, 6, true, NULL, &err), TD_DAMAGED); /* other symbols */
  close_all(&other);
  write_corpus(text, "hgfedcba"); /* another text of the same symbols */
  open_with(&other, 1, NULL, 0);
  assert_int_equal(train(&other, 6, true, NULL, &err), TD_BAD_USAGE);
  assert_non_null(strstr(err.message, "another text"));
  record = record_make(&other.project, NULL, 0, 0,
                       &(RecordMachine){.device = "reference", .threads = 1});
  o = options(&other, record);
  o.resume = o.other_text = true;
  o.steps = 6;
  if (!train_run(&o, &err)) fail_msg("%s", err.message);
  json_decref(record);
  close_all(&other);
  write_corpus(text, "abcdefgh");
  free(text);
}

static volatile sig_atomic_t stop_flag;
static void raise_stop(int number) { stop_flag = number; }

static void test_stop(void **state) {
  Fixture *f = *state;
  TdError err = {0};
  json_t *record = json_object();
  TrainOptions o = options(f, record);
  o.steps = 1000000;
  o.stop = &stop_flag;
  o.resume_command = "tdc train model.td --resume";
  stop_flag = 0;
  signal(SIGALRM, raise_stop);
  ualarm(200000, 0);
  assert_false(train_run(&o, &err));
  assert_int_equal(err.status, TD_STOPPED);
  assert_int_equal(err.signal, SIGALRM);
  assert_non_null(strstr(err.message, "tdc train model.td --resume"));
  int64_t step;
  char *sums = newest_sums(f->run, &step);
  assert_true(step > 0);
  free(sums);
  json_decref(record);
}

static int64_t newest_step(const char *folder) {
  TdError err = {0};
  int64_t step = -1;
  assert_true(checkpoint_newest_step(folder, &step, &err));
  return step;
}

/* Killed again and again at odd times, always resumed. */
static void test_killed(void **state) {
  Fixture *f = *state;
  TdError err;
  char *want = undisturbed(f);
  bool finished = false, begun = false;
  for (int i = 0; !finished && i < 60; i++) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      Fixture child = {.folder = f->folder, .td = f->td, .run = f->run};
      open_with(&child, 1, NULL, 0); /* threads do not survive a fork */
      for (int k = 0; k < 30000 + 7001 * (i % 13); k++) __asm__ volatile("");
      if (i < 40) ualarm((useconds_t)(1000 + 997 * (i % 17)), 0);
      signal(SIGALRM, SIG_DFL);
      _exit(train(&child, STEPS, begun, NULL, &err) == TD_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    begun = newest_step(f->run) >= 0;
  }
  assert_true(finished);
  ends_as(f, want);
  free(want);
}

static void test_damaged_newest(void **state) {
  Fixture *f = *state;
  TdError err;
  char *want = undisturbed(f);
  assert_int_equal(train(f, 7, false, NULL, &err), TD_OK);
  char *path = checkpoint_step_path(f->run, 7);
  assert_int_equal(truncate(path, 2000), 0);
  assert_int_equal(train(f, STEPS, true, NULL, &err), TD_OK);
  ends_as(f, want);
  free(path);
  free(want);
}

typedef struct Fault {
  int left, action;
} Fault;
static int fault_before(void *ctx, IoCall call, const char *path) {
  Fault *f = ctx;
  (void)call;
  (void)path;
  return f->left-- > 0 ? 0 : f->action;
}

/* The disk fills up, or breaks, at the k-th call. */
static void test_failing_disk(void **state) {
  Fixture *f = *state;
  TdError err;
  char *want = undisturbed(f);
  bool finished = false;
  int failures = 0;
  for (int k = 0; !finished && k < 400; k += 1 + k / 8) {
    Fault fault = {.left = k, .action = k % 2 ? ENOSPC : EIO};
    IoHook hook = {fault_before, &fault};
    bool resume = newest_step(f->run) >= 0;
    TdStatus status = train(f, STEPS, resume, &hook, &err);
    finished = status == TD_OK && fault.left >= 0;
    if (status != TD_OK) {
      failures++;
      if (status != TD_IO_FAILED) fail_msg("call %d: %s", k, err.message);
    }
  }
  assert_true(finished && failures > 5);
  ends_as(f, want);
  free(want);
}

/* Writes to the log fail for a while: every line is there in the end, once. */
static int fault_of_log(void *ctx, IoCall call, const char *path) {
  int *left = ctx;
  if (call != IO_WRITE || strstr(path, "log.jsonl") == NULL || *left <= 0) return 0;
  return (*left)-- % 2 == 0 ? ENOSPC : IO_HALF; /* some bytes first, then no more */
}

static void test_log_waits(void **state) {
  const Fixture *f = *state;
  TdError err = {0};
  int left = 0;
  IoHook hook = {fault_of_log, &left};
  uint8_t *text;
  size_t n;
  assert_true(io_make_folders(NULL, f->run, false, &err));
  RunLog *l = log_open(&hook, f->run, 0, &err);
  assert_non_null(l);
  assert_true(log_write(l, 1, json_pack("{s:i}", "a", 1), &err));
  left = 5;
  assert_true(!log_write(l, 2, json_pack("{s:i}", "a", 2), &err)); /* said once */
  assert_non_null(strstr(err.message, "No space left"));
  for (int i = 3; i <= 5; i++) assert_true(log_write(l, i, json_pack("{s:i}", "a", i), &err));
  assert_true(log_finish(l, &err));
  char *path = io_join(f->run, "log.jsonl");
  assert_true(io_read_file(NULL, path, 1 << 20, &text, &n, &err));
  assert_string_equal((char *)text, "{\"step\":1,\"a\":1}\n{\"step\":2,\"a\":2}\n"
                                    "{\"step\":3,\"a\":3}\n{\"step\":4,\"a\":4}\n"
                                    "{\"step\":5,\"a\":5}\n");
  free(text);
  left = 1000; /* for good: the end says so */
  log_write(l, 6, json_pack("{s:i}", "a", 6), &err);
  assert_false(log_finish(l, &err));
  assert_int_equal(err.status, TD_IO_FAILED);
  log_close(l);
  free(path);
}

static void test_nan(void **state) {
  Fixture *f = *state;
  TdError err;
  Define poison = {"poison", "1.5"};
  Fixture other = {.folder = f->folder, .td = f->td, .run = f->run};
  open_with(&other, 2, &poison, 1);
  assert_int_equal(train(&other, STEPS, false, NULL, &err), TD_NOT_FINITE);
  if (strstr(err.message, "step 1") == NULL || strstr(err.message, "model.td:8") == NULL)
    fail_msg("%s", err.message);
  close_all(&other);
}

/* A learning rate that bursts: the step where it began is found by replay. */
static void test_divergence(void **state) {
  Fixture *f = *state;
  TdError err;
  Define rate = {"rate", "1e30"};
  Fixture other = {.folder = f->folder, .td = f->td, .run = f->run};
  open_with(&other, 2, &rate, 1);
  assert_int_equal(train(&other, 1000, false, NULL, &err), TD_NOT_FINITE);
  assert_non_null(strstr(err.message, "step "));
  assert_non_null(strstr(err.message, "model.td:"));
  close_all(&other);
}

static bool keep_text(void *ctx, const SampleFrame *f) {
  StrBuf *s = ctx;
  for (int64_t i = 0; i < f->window; i++) sb_putc(s, (char)('0' + f->ids[i]));
  return true;
}

static void test_sample(void **state) {
  Fixture *f = *state;
  TdError err = {0};
  const UnitSampler *u = unit_sampler(f->project.unit, "walk");
  assert_non_null(u);
  const Dataset *d = data_store_find(f->project.data, "text");
  TdSetting settings[] = {{"prompt", "a__d"}, {"noise", "0.01"}};
  SampleRequest r = {.sampler = u,
                     .vocabulary = &d->vocabulary,
                     .settings = settings,
                     .nsettings = 2,
                     .hole = '_',
                     .seed = 5};
  StrBuf one = {0}, two = {0};
  if (!sample_run(f->session, &r, false, keep_text, &one, &err)) fail_msg("%s", err.message);
  assert_true(sample_run(f->session, &r, false, keep_text, &two, &err));
  assert_string_equal(one.s, two.s);
  assert_true(one.s[0] == '1' &&
              one.s[3] == '4'); /* the given characters stay: ' ' is 0, 'a' is 1 */
  sb_free(&one);
  sb_free(&two);
  settings[0].value = "abz";
  assert_false(sample_run(f->session, &r, false, keep_text, &one, &err));
  assert_non_null(strstr(err.message, "byte 2"));
  settings[0].value = "aaaaaaaaa";
  assert_false(sample_run(f->session, &r, false, keep_text, &one, &err));
  assert_non_null(strstr(err.message, "longer"));
  settings[0] = (TdSetting){"promt", "a"};
  assert_false(sample_run(f->session, &r, false, keep_text, &one, &err));
  assert_non_null(strstr(err.message, "--prompt"));
  settings[0] = (TdSetting){"steps", "0"};
  assert_false(sample_run(f->session, &r, false, keep_text, &one, &err));
  settings[0] = (TdSetting){"prompt", "a"};
  settings[1] = (TdSetting){"noise", "nan"};
  assert_false(sample_run(f->session, &r, false, keep_text, &one, &err));
}

/* Looks at each iteration and dawdles; keeps the seconds. */
static bool dawdle(void *ctx, const SampleFrame *f) {
  double *seconds = ctx;
  assert_true(f->seconds >= *seconds);
  *seconds = f->seconds;
  nanosleep(&(struct timespec){.tv_nsec = 250000000}, NULL);
  return true;
}

/* Iteration by iteration it is the same text, and who looks on is not counted: four iterations of
 * nothing much take less than one of the looks. */
static void test_sampling_in_steps(void **state) {
  Fixture *f = *state;
  TdError err = {0};
  SampleRequest r = {.sampler = unit_sampler(f->project.unit, "walk"), .seed = 7};
  StrBuf whole = {0}, steps = {0};
  assert_true(sample_run(f->session, &r, false, keep_text, &whole, &err));
  Sampling *g = sampling_open(f->session, &r, &err);
  assert_non_null(g);
  SampleFrame frame = {0};
  for (int64_t k = 1; !sampling_over(g); k++) {
    assert_true(sampling_step(g, &err) && sampling_look(g, &frame, &err));
    assert_int_equal(frame.done, k);
  }
  assert_int_equal(frame.done, 4);
  keep_text(&steps, &frame);
  assert_string_equal(whole.s, steps.s);
  sampling_close(g);
  sb_free(&whole);
  sb_free(&steps);
  double seconds = 0;
  assert_true(sample_run(f->session, &r, true, dawdle, &seconds, &err));
  assert_true(seconds > 0 && seconds < 0.25);
}

static void write_compiler(const char *path, const char *does) {
  StrBuf s = {0};
  sb_printf(&s, "#!/bin/sh\n%s\n", does);
  write_text(path, s.s, s.n);
  assert_int_equal(chmod(path, 0755), 0);
  sb_free(&s);
}

/* Steps are taken before the evaluation's kernels are compiled. When that fails,
 * the steps are kept, and the run goes on when there is a compiler again. */
static void test_late_compiler(void **state) {
  Fixture *f = *state;
  TdError err = {0};
  char *want = undisturbed(f), *script = io_join(f->folder, "late-cc");
  write_compiler(script, "exec cc \"$@\"");
  setenv("TDC_CC", script, 1);
  const TdProgram *p = f->project.unit->program;
  Jit *jit = jit_open(p, &(JitOptions){0}, &err);
  Fixture late = *f;
  late.jit = jit;
  late.session = jit != NULL ? session_new(p, cpu_device(p, jit, f->pool, &err), &err) : NULL;
  if (late.session == NULL) fail_msg("%s", err.message);
  int eval = session_entry(late.session, "eval"), first = session_entry(late.session, "train");
  assert_int_equal(jit_stats(jit)->compiled, 0);
  assert_true(session_need(late.session, (const char *const[]){"init", "train", NULL}, &err));
  int some = jit_stats(jit)->compiled;
  assert_true(some > 0 && jit_has(jit, first) && !jit_has(jit, eval));
  write_compiler(script, "echo it is broken; exit 3");
  assert_int_equal(train(&late, STEPS, false, NULL, &err), TD_NO_TOOL);
  assert_non_null(strstr(err.message, "it is broken"));
  int64_t step;
  free(newest_sums(f->run, &step));
  assert_int_equal(step, 4); /* `eval every 4` */
  assert_true(!jit_has(jit, eval));
  write_compiler(script, "exec cc \"$@\"");
  assert_int_equal(train(&late, STEPS, true, NULL, &err), TD_OK);
  assert_true(jit_has(jit, eval) && jit_stats(jit)->compiled > some);
  ends_as(f, want);
  session_free(late.session);
  jit_close(jit);
  unsetenv("TDC_CC");
  free(script);
  free(want);
}

/* Devices by name. */
static void test_device_names(void **state) {
  Fixture *f = *state;
  Machine m;
  TdError err = {0};
  const Unit *u = f->project.unit;
  assert_true(machine_open(&m, "cpu", u, 1, &(JitOptions){0}, &err) && m.jit != NULL);
  machine_close(&m);
  assert_true(machine_open(&m, "reference", u, 1, &(JitOptions){0}, &err) && m.jit == NULL);
  machine_close(&m);
  assert_false(machine_open(&m, "abacus", u, 1, &(JitOptions){0}, &err));
  assert_int_equal(err.status, TD_BAD_USAGE);
  assert_non_null(strstr(err.message, "abacus"));
  machine_close(&m);
}

int main(void) {
#define RUN(t) cmocka_unit_test_setup_teardown(t, fresh_run, end_run)
  const struct CMUnitTest tests[] = {
      RUN(test_resume_at_every_step),
      RUN(test_threads),
      RUN(test_refusals),
      RUN(test_stop),
      RUN(test_killed),
      RUN(test_damaged_newest),
      RUN(test_failing_disk),
      RUN(test_log_waits),
      RUN(test_nan),
      RUN(test_divergence),
      RUN(test_sample),
      RUN(test_sampling_in_steps),
      RUN(test_late_compiler),
      RUN(test_device_names),
  };
  return cmocka_run_group_tests(tests, make_fixture, free_fixture);
}
