/* SPDX-License-Identifier: MIT */
/* What guarded.h promises of itself: it is there in place of each device, and a stray
 * access to its memory ends the process. The other programs that are linked with it show
 * that training, sampling, resuming and exporting make none. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/td.h"
#include "tests/guarded.h"
#include "tests/model.h"
#include "tests/sandbox.h"

static const char model[] =
    SANDBOX_MODEL("h") "sampler flat(steps = 2) {\n"
                       "  state s[b in B, l in L, v in V] = normal()\n"
                       "  for t in 1 .. 0 steps steps { s[b,l,v] = s[b,l,v] + normal() }\n"
                       "  emit argmax[v](s[b,l,v])\n"
                       "}\n"
                       "train { loss main  adam(lr = 0.01)  batch B  steps 4  eval every 2 }\n";

typedef enum Stray { READ, WRITE, BEHIND, NONE } Stray;

static void touch(char *block, size_t bytes, Stray how) {
  volatile char *at = block;
  size_t lines = bytes > 0 ? (bytes + TD_LINE - 1) / TD_LINE * TD_LINE : TD_LINE;
  if (how == READ) (void)*at;
  if (how == WRITE) *at = 1;
  if (how == BEHIND) (void)at[lines];
}

/* The signal that ends a process which does this; 0: none did. */
static int ended_by(void (*act)(void *ctx), void *ctx) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGSEGV, SIG_DFL);
    act(ctx);
    _exit(0);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

typedef struct Touch {
  int block;
  Stray how;
} Touch;

static void act_touch(void *ctx) {
  const Touch *t = ctx;
  size_t bytes;
  char *at = guarded_block(t->block, &bytes);
  touch(at, bytes, t->how);
}

static void every_block_is_locked(void) {
  assert_true(guarded_blocks() > 5);
  for (int i = 0; i < guarded_blocks(); i++) {
    assert_int_equal(ended_by(act_touch, &(Touch){i, READ}), SIGSEGV);
    assert_int_equal(ended_by(act_touch, &(Touch){i, WRITE}), SIGSEGV);
    assert_int_equal(ended_by(act_touch, &(Touch){i, BEHIND}), SIGSEGV);
    assert_int_equal(ended_by(act_touch, &(Touch){i, NONE}), 0);
  }
}

/* As it is opened, after it ran, after it trained; and what the device does goes well. */
static void check_device(bool reference) {
  TdError err = {0};
  TdOptions o = {.threads = 1, .reference = reference, .seed = 1};
  TdTrainOptions train = {.folder = reference ? "evaluated" : "compiled"};
  Td *td = td_open("model.td", &o, &err);
  if (td == NULL) fail_msg("%s", err.message);
  assert_int_equal(td_reference(td), reference);
  every_block_is_locked();
  int rank;
  int64_t shape[8];
  int32_t ids[16] = {0};
  assert_true(td_set_ints(td, "next", "x", ids, 16, &err) && td_run(td, "next", 0, &err));
  assert_non_null(td_output(td, "next", "y", &rank, shape));
  if (!td_train(td, &train, &err)) fail_msg("%s", err.message);
  every_block_is_locked();
  td_close(td);
  assert_int_equal(guarded_blocks(), 0);
}

static void cpu_is_guarded(void **state) {
  (void)state;
  check_device(false);
}

static void evaluator_is_guarded(void **state) {
  (void)state;
  check_device(true);
}

/* Who watches a run may read through the session, and not otherwise. */
typedef struct Watcher {
  Session *session;
  int entry;
  bool strays;
  int calls, times;
  double last; /* when the launch before ended */
} Watcher;

static void watch_time(void *ctx, int step, double begin, double end) {
  Watcher *w = ctx;
  (void)step;
  w->times++;
  assert_true(begin >= w->last && end >= begin);
  w->last = end;
}

static void watch_launch(void *ctx, int step, bool before) {
  Watcher *w = ctx;
  float first;
  (void)step;
  (void)before;
  w->calls++;
  if (w->strays) act_touch(&(Touch){0, READ});
  assert_true(session_read_state(w->session, 0, 0, 1, &first, NULL));
}

static void act_watched_run(void *ctx) {
  Watcher *w = ctx;
  DeviceWatch watch = {.ctx = w, .launch = watch_launch, .time = watch_time};
  session_run_watched(w->session, w->entry, 1, 0, &watch);
}

static void watchers_are_strangers(void **state) {
  (void)state;
  Model m;
  Running r;
  if (!model_open(&m, "model.td", NULL, 0, "text.txt", 0, NULL) || !model_build(&m) ||
      !running_open(&r, &m, 1))
    fail_msg("it does not run");
  Watcher w = {.session = r.session, .entry = session_entry(r.session, "init")};
  act_watched_run(&w);
  assert_true(w.calls >= 2);
  assert_int_equal(w.times, w.calls / 2);
  w.strays = true;
  assert_int_equal(ended_by(act_watched_run, &w), SIGSEGV);
  running_close(&r);
  model_close(&m);
}

/* ---- a device that is lost --------------------------------------------------------- */

/* Trains, goes on, draws, exports, loads, runs and reads; false where the first fails. */
static bool use_it(Td *td, const char *folder, TdError *err) {
  TdTrainOptions train = {.folder = folder}, more = {.folder = folder, .resume = true, .steps = 6};
  int rank;
  int64_t shape[8], n = 1;
  const char *name = td_parameter(td, 0, &rank, shape);
  for (int i = 0; i < rank; i++) n *= shape[i];
  float *w = malloc((size_t)n * sizeof *w);
  char *text = NULL;
  bool ok = w != NULL && td_train(td, &train, err) && td_train(td, &more, err) &&
            td_sample(td, NULL, NULL, 0, 1, &text, err) && td_export(td, "w.safetensors", err) &&
            td_load(td, "w.safetensors", err) && td_run(td, "next", 0, err) &&
            td_read(td, name, w, n, err) && td_write(td, name, w, n, err);
  free(w);
  free(text);
  return ok;
}

/* Wherever it is lost, that is what is said, and not that numbers went wrong. */
static void a_lost_device_is_told(void **state) {
  (void)state;
  TdOptions o = {.threads = 1, .seed = 1};
  bool done = false;
  int losses = 0;
  for (int waits = 1; !done && waits < 10000; waits += 1 + waits / 12) {
    TdError err = {0};
    char folder[32];
    snprintf(folder, sizeof folder, "lost-%d", waits);
    Td *td = td_open("model.td", &o, &err);
    if (td == NULL) fail_msg("%s", err.message);
    guarded_break(waits);
    done = use_it(td, folder, &err);
    guarded_break(0);
    if (!done && (err.status != TD_NO_TOOL || strstr(err.message, "lost") == NULL))
      fail_msg("lost at wait %d: %s", waits, err.message);
    losses += !done;
    td_close(td);
  }
  assert_true(done && losses > 20);
  print_message("lost at %d places\n", losses);
}

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("model.td", model);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cpu_is_guarded), cmocka_unit_test(evaluator_is_guarded),
      cmocka_unit_test(watchers_are_strangers), cmocka_unit_test(a_lost_device_is_told)};
  return cmocka_run_group_tests(tests, enter_folder, sandbox_leave);
}
