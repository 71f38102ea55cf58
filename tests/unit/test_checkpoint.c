/* SPDX-License-Identifier: MIT */
/* Checkpoints under cuts, flipped bits, failing system calls and sudden death:
 * damage is always seen, and what was saved before is never lost. */
#include <errno.h>
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/store/checkpoint.h"
#include "tests/sandbox.h"

static float weights[6] = {1, 2, 3, 4, 5, 6};
static int32_t counter[1] = {9};

static const CheckpointTensor tensors[] = {
    {.name = "denoise.layer.wq", .type = TD_F32, .rank = 2, .shape = {2, 3}, .data = weights},
    {.name = "adam.t", .type = TD_I32, .rank = 1, .shape = {1}, .data = counter},
};

static CheckpointInfo info_at(int64_t step) {
  return (CheckpointInfo){.program = "shakespeare",
                          .step = step,
                          .seed = UINT64_MAX,
                          .position = 32 * step,
                          .best = step == 0 ? (double)INFINITY : 1.25,
                          .best_step = 3,
                          .stale = 1,
                          .tokens = "chars",
                          .vocabulary = "10 32 65",
                          .record = "{\"a\": \"\\\"\"}"};
}

static bool save(const IoHook *hook, const char *folder, int64_t step, TdError *err) {
  char *path = checkpoint_step_path(folder, step);
  CheckpointInfo info = info_at(step);
  bool ok = checkpoint_save(hook, path, tensors, 2, &info, err);
  free(path);
  return ok;
}

static int files_in(const char *folder) {
  int n = 0;
  DIR *d = opendir(folder);
  for (struct dirent *e; (e = readdir(d)) != NULL;)
    n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  closedir(d);
  return n;
}

static void test_round_trip(void **state) {
  const char *folder = *state;
  TdError err = {0};
  assert_true(save(NULL, folder, 1000, &err));
  Checkpoint *c = checkpoint_newest(NULL, folder, NULL, &err);
  assert_non_null(c);
  const CheckpointInfo *i = checkpoint_info(c);
  assert_string_equal(i->program, "shakespeare");
  assert_true(i->step == 1000 && i->seed == UINT64_MAX && i->position == 32000 && i->best == 1.25);
  assert_true(i->best_step == 3 && i->stale == 1 && !i->weights_only);
  assert_string_equal(i->vocabulary, "10 32 65");
  assert_string_equal(i->record, "{\"a\": \"\\\"\"}");
  float w[6];
  int32_t t[1];
  CheckpointTensor into[] = {tensors[0], tensors[1]};
  into[0].data = w;
  into[1].data = t;
  assert_true(checkpoint_read(c, into, 2, &err));
  assert_memory_equal(w, weights, sizeof w);
  assert_int_equal(t[0], 9);
  into[0].shape[0] = 3;
  into[0].shape[1] = 2;
  assert_false(checkpoint_read(c, into, 1, &err));
  assert_int_equal(err.status, TD_DAMAGED);
  into[0].name = "denoise.layer.wk";
  assert_false(checkpoint_read(c, into, 1, &err));
  assert_non_null(strstr(err.message, "denoise.layer.wk"));
  checkpoint_close(c);
}

static void test_infinity_and_nothing(void **state) {
  const char *folder = *state;
  TdError err = {0};
  assert_null(checkpoint_newest(NULL, folder, NULL, &err));
  assert_int_equal(err.status, TD_OK);
  assert_true(save(NULL, folder, 0, &err));
  Checkpoint *c = checkpoint_newest(NULL, folder, NULL, &err);
  assert_true(isinf(checkpoint_info(c)->best));
  checkpoint_close(c);
}

static void test_export(void **state) {
  char *path = io_join(*state, "weights.safetensors");
  TdError err = {0};
  CheckpointInfo info = info_at(5);
  assert_true(checkpoint_export(NULL, path, tensors, 1, &info, &err));
  Checkpoint *c = checkpoint_open(NULL, path, &err);
  assert_non_null(c);
  assert_true(checkpoint_info(c)->weights_only);
  float w[6];
  CheckpointTensor into = tensors[0];
  into.data = w;
  assert_true(checkpoint_read(c, &into, 1, &err));
  assert_memory_equal(w, weights, sizeof w); /* small whole numbers survive half precision */
  assert_false(checkpoint_has(c, "adam.t"));
  checkpoint_close(c);
  free(path);
}

/* As PyTorch and Hugging Face write them: metadata of their own, numbers of types that no
 * parameter has, tensors that nobody asks for. */
static void test_foreign(void **state) {
  char *path = io_join(*state, "model.safetensors");
  TdError err = {0};
  int64_t places[2] = {0, 1};
  int16_t quant[3] = {1, 2, 3};
  const StSource sources[] = {
      {.name = "denoise.layer.wq",
       .rank = 2,
       .shape = {2, 3},
       .data = weights,
       .type = ST_F16,
       .from = ST_F32},
      {.name = "position_ids",
       .rank = 1,
       .shape = {2},
       .data = places,
       .type = ST_I64,
       .from = ST_I64},
      {.name = "scales", .rank = 1, .shape = {3}, .data = quant, .type = ST_I16, .from = ST_I16},
  };
  const StPair meta[] = {{"format", "pt"}, {"program", "x"}, {"step", "many"}};
  for (int n = 0; n <= 3; n++) {
    assert_true(st_write_file(NULL, path, sources, 3, meta, n, &err));
    Checkpoint *c = checkpoint_open_weights(NULL, path, &err);
    if (c == NULL) fail_msg("%s", err.message);
    assert_true(checkpoint_info(c)->weights_only);
    float w[6];
    CheckpointTensor into = tensors[0];
    into.data = w;
    assert_true(checkpoint_read(c, &into, 1, &err));
    assert_memory_equal(w, weights, sizeof w);
    into = (CheckpointTensor){.name = "scales", .type = TD_F32, .rank = 1, .shape = {3}, .data = w};
    assert_false(checkpoint_read(c, &into, 1, &err));
    assert_non_null(strstr(err.message, "stored as I16"));
    checkpoint_close(c);
    assert_null(checkpoint_open(NULL, path, &err)); /* but nothing to resume from */
  }
  free(path);
}

static void test_every_cut_and_bit(void **state) {
  const char *folder = *state;
  TdError err = {0};
  assert_true(save(NULL, folder, 1, &err));
  assert_true(save(NULL, folder, 2, &err));
  char *path = checkpoint_step_path(folder, 2);
  uint8_t *bytes;
  size_t n;
  assert_true(io_read_file(NULL, path, 1 << 20, &bytes, &n, &err));
  for (size_t cut = 0; cut <= n + 1; cut++) {
    if (cut == n) continue;
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, cut, f), cut); /* n + 1: the NUL behind the buffer */
    fclose(f);
    assert_null(checkpoint_open(NULL, path, &err));
  }
  for (size_t bit = 0; bit < 8 * n; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    FILE *f = fopen(path, "wb");
    fwrite(bytes, 1, n, f);
    fclose(f);
    Checkpoint *c = checkpoint_open(NULL, path, &err);
    if (c == NULL) c = checkpoint_open_weights(NULL, path, &err); /* nor does it pass as foreign */
    if (c != NULL) fail_msg("bit %zu of byte %zu was flipped unseen", bit % 8, bit / 8);
    bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
  }
  StrBuf warnings = {0};
  FILE *f = fopen(path, "wb");
  fwrite(bytes, 1, n / 2, f);
  fclose(f);
  Checkpoint *c = checkpoint_newest(NULL, folder, &warnings, &err);
  assert_non_null(c);
  assert_true(checkpoint_info(c)->step == 1);
  assert_non_null(strstr(warnings.s, "step-00000002"));
  sb_free(&warnings);
  checkpoint_close(c);
  free(bytes);
  free(path);
}

/* ---- failing and dying at the k-th call -------------------------------------------- */

typedef struct Fault {
  int left, action;
  bool once, die;
} Fault;

static int fault_before(void *ctx, IoCall call, const char *path) {
  Fault *f = ctx;
  (void)path;
  if (f->action == IO_HALF && call != IO_WRITE) return 0;
  if (f->left-- > 0 || (f->once && f->left < -1)) return 0;
  if (f->die) kill(getpid(), SIGKILL);
  return f->action;
}

static void check_newest(const char *folder, int64_t a, int64_t b) {
  TdError err = {0};
  Checkpoint *c = checkpoint_newest(NULL, folder, NULL, &err);
  assert_non_null(c);
  int64_t step = checkpoint_info(c)->step;
  assert_true(step == a || step == b);
  checkpoint_close(c);
}

static void test_failing_calls(void **state) {
  const char *folder = *state;
  static const int actions[] = {ENOSPC, EIO, EDQUOT, ENOMEM, EROFS};
  TdError err = {0};
  assert_true(save(NULL, folder, 1, &err));
  for (size_t a = 0; a < sizeof actions / sizeof actions[0]; a++) {
    bool done = false;
    for (int k = 0; !done && k < 100; k++) {
      Fault fault = {.left = k, .action = actions[a]};
      IoHook hook = {fault_before, &fault};
      done = save(&hook, folder, 2, &err);
      if (!done) assert_int_equal(err.status, TD_IO_FAILED);
      check_newest(folder, 1, 2);
      char *path = checkpoint_step_path(folder, 2);
      assert_int_equal(files_in(folder), io_exists(path) ? 2 : 1); /* no litter */
      unlink(path);
      free(path);
    }
    assert_true(done);
  }
}

static void test_interrupted_and_short(void **state) {
  const char *folder = *state;
  static const int actions[] = {EINTR, IO_HALF};
  for (int k = 0; k < 40; k++) {
    Fault fault = {.left = k / 2, .action = actions[k % 2], .once = true};
    IoHook hook = {fault_before, &fault};
    TdError err = {0};
    assert_true(save(&hook, folder, k + 1, &err)); /* neither is a failure */
    check_newest(folder, k + 1, k + 1);
  }
}

static void test_killed_at_every_call(void **state) {
  const char *folder = *state;
  TdError err = {0};
  assert_true(save(NULL, folder, 1, &err));
  bool finished = false;
  for (int k = 0; !finished && k < 100; k++) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      Fault fault = {.left = k, .die = true};
      IoHook hook = {fault_before, &fault};
      _exit(save(&hook, folder, 2, &err) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    finished = WIFEXITED(status);
    check_newest(folder, 1, 2);
    io_sweep(folder);
    char *path = checkpoint_step_path(folder, 2);
    assert_int_equal(files_in(folder), io_exists(path) ? 2 : 1);
    unlink(path);
    free(path);
  }
  assert_true(finished);
}

static int64_t best_step(const char *folder) {
  TdError err = {0};
  char *path = io_join(folder, "best.safetensors");
  Checkpoint *c = checkpoint_open(NULL, path, &err);
  if (c == NULL) fail_msg("%s", err.message);
  int64_t step = checkpoint_info(c)->step;
  checkpoint_close(c);
  free(path);
  return step;
}

/* Wherever death comes, the best file is never older than the newest checkpoint when that
 * one was the best. */
static void test_killed_while_best(void **state) {
  const char *folder = *state;
  TdError err = {0};
  CheckpointInfo info = info_at(1);
  assert_true(checkpoint_save_step(NULL, folder, true, tensors, 2, &info, &err));
  bool finished = false;
  for (int k = 0; !finished && k < 100; k++) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    info = info_at(2 + k);
    if (pid == 0) {
      Fault fault = {.left = k, .die = true};
      IoHook hook = {fault_before, &fault};
      _exit(checkpoint_save_step(&hook, folder, true, tensors, 2, &info, &err) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    finished = WIFEXITED(status);
    int64_t newest;
    assert_true(checkpoint_newest_step(folder, &newest, &err));
    assert_true(best_step(folder) >= newest);
  }
  assert_true(finished);
}

/* A folder that cannot be looked into is not one without checkpoints. */
static void test_folder_that_cannot_be_listed(void **state) {
  char *file = io_join(*state, "file");
  TdError err = {0};
  int64_t newest;
  assert_true(io_write_file(NULL, file, "x", 1, &err));
  assert_false(checkpoint_newest_step(file, &newest, &err)); /* as EACCES does, root or not */
  assert_int_equal(err.status, TD_IO_FAILED);
  assert_null(checkpoint_newest(NULL, file, NULL, &err));
  assert_int_equal(err.status, TD_IO_FAILED);
  char *absent = io_join(*state, "absent");
  assert_true(checkpoint_newest_step(absent, &newest, &err) && newest == -1);
  free(absent);
  free(file);
}

static void test_rotation(void **state) {
  const char *folder = *state;
  TdError err = {0};
  for (int64_t step = 1; step <= 6; step++) {
    CheckpointInfo info = info_at(step);
    assert_true(checkpoint_save_step(NULL, folder, step == 2, tensors, 2, &info, &err));
    assert_true(checkpoint_rotate(NULL, folder, 3, &err));
  }
  assert_int_equal(files_in(folder), 4);
  char *best = io_join(folder, "best.safetensors");
  Checkpoint *c = checkpoint_open(NULL, best, &err);
  assert_true(c != NULL && checkpoint_info(c)->step == 2);
  checkpoint_close(c);
  CheckpointInfo fifth = info_at(5);
  assert_true(checkpoint_save_step(NULL, folder, true, tensors, 2, &fifth, &err));
  c = checkpoint_open(NULL, best, &err);
  assert_true(c != NULL && checkpoint_info(c)->step == 5);
  checkpoint_close(c);
  assert_int_equal(files_in(folder), 4);
  for (int64_t step = 1; step <= 6; step++) {
    char *path = checkpoint_step_path(folder, step);
    unlink(path);
    free(path);
  }
  check_newest(folder, 5, 5); /* the best one, when nothing else is left */
  free(best);
}

static void test_lock(void **state) {
  const char *folder = *state;
  TdError err = {0};
  int one = io_lock(folder, &err);
  assert_true(one >= 0);
  int two = io_lock(folder, &err);
  assert_int_equal(two, -1);
  assert_non_null(strstr(err.message, "in use"));
  io_unlock(one);
  one = io_lock(folder, &err);
  assert_true(one >= 0);
  io_unlock(one);
}

int main(void) {
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, sandbox_make, sandbox_remove)
  const struct CMUnitTest tests[] = {
      IN_FOLDER(test_round_trip),
      IN_FOLDER(test_infinity_and_nothing),
      IN_FOLDER(test_export),
      IN_FOLDER(test_foreign),
      IN_FOLDER(test_every_cut_and_bit),
      IN_FOLDER(test_failing_calls),
      IN_FOLDER(test_interrupted_and_short),
      IN_FOLDER(test_killed_at_every_call),
      IN_FOLDER(test_killed_while_best),
      IN_FOLDER(test_folder_that_cannot_be_listed),
      IN_FOLDER(test_rotation),
      IN_FOLDER(test_lock),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
