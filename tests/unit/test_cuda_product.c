/* SPDX-License-Identifier: MIT */
/* Products of cuBLASLt over the emulated one, which refuses what the library refuses: every
 * way in which matrices may lie, both types, batches, loops, gaps. */
#include <glob.h>
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

#include "runtime/cuda/device.h"
#include "runtime/cuda/product.h"
#include "runtime/session.h"
#include "runtime/system/cache.h"
#include "runtime/system/io.h"

enum { ROUNDS = 2, ROOM = 8192 }; /* of the loop around the product; numbers in a state */

/* ---- a program of one product in a loop ---------------------------------------------------- */

static TdProduct product;
static TdKernel kernels[] = {{.kind = TD_PRODUCT,
                              .name = "product_0",
                              .where = "x.td:7",
                              .product = &product,
                              .counters = 1}};
static TdState states[3];
static TdBuffer buffers[3];
static const int args[] = {1, 0, 2}; /* b, a, c */
static TdStep steps[] = {{.kind = TD_LOOP, .slot = 0, .count = ROUNDS},
                         {.kind = TD_LAUNCH, .kernel = 0, .nargs = 3, .args = args},
                         {.kind = TD_END}};
static TdEntry entries[] = {{.name = "run",
                             .buffers = buffers,
                             .nbuffers = 3,
                             .steps = steps,
                             .nsteps = 3,
                             .alignment = 256}};
static TdProgram program = {.name = "test",
                            .prelude = "",
                            .states = states,
                            .nstates = 3,
                            .kernels = kernels,
                            .nkernels = 1,
                            .entries = entries,
                            .nentries = 1};

/* How a matrix of r x k lies: by rows or by columns, how many numbers are between two of them. */
typedef struct Lie {
  bool columns;
  int gap, offset;
  bool shared; /* the same one for all of the batch */
} Lie;

static TdOperand operand(int arg, TdType type, Lie lie, int r, int k, int batch) {
  int64_t leading = (lie.columns ? r : k) + lie.gap, size = leading * (lie.columns ? k : r);
  TdOperand o = {.arg = arg,
                 .type = type,
                 .offset = lie.offset,
                 .row = lie.columns ? 1 : leading,
                 .column = lie.columns ? leading : 1,
                 .batch = lie.shared ? 0 : size};
  o.by_slot[0] = size * (lie.shared ? 1 : batch) + 8;
  return o;
}

typedef struct Case {
  int m, n, k, batch;
  double alpha;
  TdType in, out;
  Lie a, b, c;
} Case;

static void make_case(const Case *x) {
  static const char *const names[] = {"a", "b", "c"};
  product = (TdProduct){.alpha = x->alpha,
                        .m = x->m,
                        .n = x->n,
                        .k = x->k,
                        .batch = x->batch,
                        .a = operand(1, x->in, x->a, x->m, x->k, x->batch),
                        .b = operand(0, x->in, x->b, x->n, x->k, x->batch),
                        .c = operand(2, x->out, x->c, x->m, x->n, x->batch)};
  for (int i = 0; i < 3; i++) {
    TdType type = i == 2 ? x->out : x->in;
    states[i] =
        (TdState){.name = names[i], .type = type, .rank = 1, .shape = {ROOM}, .count = ROOM};
    buffers[i] = (TdBuffer){.kind = TD_STATE,
                            .name = names[i],
                            .type = type,
                            .rank = 1,
                            .shape = {ROOM},
                            .count = ROOM,
                            .bytes = ROOM * td_type_size(type),
                            .state = i};
  }
}

/* ---- numbers ------------------------------------------------------------------------------- */

/* Small whole numbers: all sums are exact in every type. */
static float number(int state, int i) {
  uint32_t h = (uint32_t)(i * 3 + state) * 2654435761u;
  return (float)((int)(h >> 16) % 5 - 2);
}

static void put(void *to, TdType type, int i, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (type == TD_BF16)
    ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
  else
    ((float *)to)[i] = x;
}

static float get(const void *from, TdType type, int i) {
  if (type != TD_BF16) return ((const float *)from)[i];
  uint32_t bits = (uint32_t)((const uint16_t *)from)[i] << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static int64_t place(const TdOperand *o, int64_t round, int64_t batch, int64_t row,
                     int64_t column) {
  return o->offset + round * o->by_slot[0] + batch * o->batch + row * o->row + column * o->column;
}

/* To the nearest number of the type, and of two to the even one. */
static float rounded(TdType type, float x) {
  uint32_t bits;
  if (type != TD_BF16) return x;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* What c holds in the end; where nothing is written, what it held. */
static void expect(float *c) {
  const TdProduct *p = &product;
  for (int i = 0; i < ROOM; i++) c[i] = number(2, i);
  for (int64_t r = 0; r < ROUNDS; r++)
    for (int64_t b = 0; b < p->batch; b++)
      for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
          double sum = 0;
          for (int64_t k = 0; k < p->k; k++)
            sum += (double)number(0, (int)place(&p->a, r, b, i, k)) *
                   (double)number(1, (int)place(&p->b, r, b, j, k));
          c[place(&p->c, r, b, i, j)] = rounded(p->c.type, (float)(p->alpha * sum));
        }
}

static bool write_states(Session *s) {
  uint8_t bytes[ROOM * 4];
  for (int k = 0; k < 3; k++) {
    for (int i = 0; i < ROOM; i++) put(bytes, states[k].type, i, number(k, i));
    session_write_state(s, k, 0, ROOM, bytes);
  }
  return true;
}

static bool right(const Session *s, TdError *err) {
  static float want[ROOM];
  static uint8_t bytes[ROOM * 4];
  expect(want);
  if (!session_read_state(s, 2, 0, ROOM, bytes, err)) return false;
  for (int i = 0; i < ROOM; i++)
    if (get(bytes, states[2].type, i) != want[i])
      return td_fail(err, TD_NOT_FINITE, "c[%d] is %g, not %g", i,
                     (double)get(bytes, states[2].type, i), (double)want[i]);
  return true;
}

/* ---- the emulated device ------------------------------------------------------------------- */

static char emulator[4096];
static const char *cache_folder_used; /* NULL: there is no cache */

static int enter(void **state) {
  StrBuf only = {0};
  sb_printf(&only, "%s:-", emulator);
  setenv("TDC_CUDA_LIBRARIES", only.s, 1);
  sb_free(&only);
  static const char *const settings[] = {"FAULT",   "LT_CUT",   "LT_TF32",
                                         "LT_SLOW", "LT_SPLIT", "LT_VERSION"};
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    char name[32];
    snprintf(name, sizeof name, "TDC_EMU_%s", settings[i]);
    unsetenv(name);
  }
  cache_folder_used = NULL;
  *state = NULL;
  return 0;
}

/* With a cache of its own. */
static int enter_cache(void **state) {
  static char folder[64];
  enter(state);
  strcpy(folder, "build/tests/sandbox-product-XXXXXX");
  cache_folder_used = *state = mkdtemp(folder);
  return *state != NULL ? 0 : -1;
}

static int leave_cache(void **state) {
  cache_remove_folder(*state);
  return 0;
}

static Session *open_session(TdError *err) {
  CudaInfo info;
  JitOptions o = {.no_cache = cache_folder_used == NULL, .cache = cache_folder_used};
  *err = (TdError){0};
  Session *s = session_new(&program, cuda_device(&program, &o, &info, err), err);
  if (s == NULL || session_need_one(s, 0, err)) return s;
  session_free(s);
  return NULL;
}

/* One by one, captured, replayed. */
static void run_case(const Case *x, const char *what) {
  TdError err;
  make_case(x);
  Session *s = open_session(&err);
  if (s == NULL) fail_msg("%s: %s", what, err.message);
  for (int k = 0; k < 3; k++) {
    write_states(s);
    session_run(s, 0, 0, 0);
    if (!right(s, &err)) fail_msg("%s, run %d: %s", what, k + 1, err.message);
  }
  session_free(s);
}

static void test_layouts(void **state) {
  (void)state;
  for (int i = 0; i < 64; i++) {
    Case x = {.m = 7,
              .n = 5,
              .k = 11,
              .batch = i & 8 ? 3 : 1,
              .alpha = i & 16 ? 0.5 : 1,
              .in = i & 32 ? TD_BF16 : TD_F32,
              .out = i & 32 && i & 4 ? TD_BF16 : TD_F32,
              .a = {.columns = i & 1, .gap = i % 3, .offset = i % 5},
              .b = {.columns = (i & 2) != 0, .gap = i % 2, .offset = 2 * (i % 4), .shared = i & 8},
              .c = {.columns = (i & 4) != 0, .gap = 3 * (i % 3 == 1), .offset = i % 7}};
    char what[64];
    snprintf(what, sizeof what, "case %d", i);
    run_case(&x, what);
  }
}

/* Axes of one number, whose strides mean nothing; rows that are one column. */
static void test_thin(void **state) {
  static const int sizes[][3] = {{1, 6, 4}, {6, 1, 4}, {6, 4, 1}, {1, 1, 9}, {1, 8, 1}, {1, 1, 1}};
  (void)state;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int lie = 0; lie < 8; lie++) {
      Case x = {.m = sizes[i][0],
                .n = sizes[i][1],
                .k = sizes[i][2],
                .batch = 1,
                .alpha = 1,
                .in = TD_F32,
                .out = TD_F32,
                .a.columns = lie & 1,
                .b.columns = (lie & 2) != 0,
                .c = {.columns = (lie & 4) != 0, .gap = 1}};
      char what[64];
      snprintf(what, sizeof what, "sizes %d, lie %d", (int)i, lie);
      run_case(&x, what);
    }
}

/* The shape that the library is told, by hand: c[2,3] by rows = a[2,4] b[3,4]^T is, column by
 * column, a 3 x 2 matrix, b (4 x 3, transposed) times a (4 x 2). */
static void test_shape(void **state) {
  (void)state;
  ProductShape s;
  TdError err = {0};
  make_case(&(Case){.m = 2, .n = 3, .k = 4, .batch = 1, .alpha = 1, .in = TD_F32, .out = TD_F32});
  assert_true(product_shape(&kernels[0], &s, &err));
  assert_true(s.x.operand == &product.b && s.y.operand == &product.a && s.d.operand == &product.c);
  assert_true(s.x.transposed && s.x.rows == 4 && s.x.columns == 3 && s.x.leading == 4);
  assert_true(!s.y.transposed && s.y.rows == 4 && s.y.columns == 2 && s.y.leading == 4);
  assert_true(!s.d.transposed && s.d.rows == 3 && s.d.columns == 2 && s.d.leading == 3);
}

/* ---- what is no product, and what can fail ------------------------------------------------- */

static void refused(const char *why) {
  ProductShape s;
  TdError err = {0};
  assert_false(product_shape(&kernels[0], &s, &err));
  assert_int_equal(err.status, TD_NO_TOOL);
  if (strstr(err.message, why) == NULL || strstr(err.message, "product_0 (x.td:7)") == NULL)
    fail_msg("'%s' is not in: %s", why, err.message);
}

static const Case plain = {
    .m = 2, .n = 3, .k = 4, .batch = 2, .alpha = 1, .in = TD_F32, .out = TD_F32};

static void test_refused(void **state) {
  (void)state;
  make_case(&plain);
  product.a.column = 2;
  refused("dense");
  make_case(&plain);
  product.b.row = 3; /* rows of four numbers that lie upon each other */
  refused("dense");
  make_case(&plain);
  product.b.type = TD_BF16;
  refused("two types");
  make_case(&plain);
  product.a.type = product.b.type = TD_F64;
  refused("neither f32 nor bf16");
  make_case(&plain);
  product.c.type = TD_BF16;
  refused("another type");
  make_case(&plain);
  product.c.batch = 0;
  refused("upon each other");
  make_case(&plain);
  product.k = 0;
  refused("empty");
  make_case(&plain);
  product.batch = 1LL << 31;
  refused("too large");
}

enum { RIGHT = 40, TOLD, WRONG }; /* exit codes that nothing else has */

/* What was chosen so far: out of the cache; or a byte of each is another one. */
static void forget_pins(bool damage) {
  StrBuf pattern = {0};
  glob_t found;
  sb_printf(&pattern, "%s/*.lt", cache_folder_used);
  if (glob(pattern.s, 0, NULL, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; i++) {
      FILE *f = damage ? fopen(found.gl_pathv[i], "r+") : NULL;
      assert_true(damage ? f != NULL && fseek(f, 20, SEEK_SET) == 0 && fputc('x', f) == 'x' &&
                               fclose(f) == 0
                         : unlink(found.gl_pathv[i]) == 0);
    }
    globfree(&found);
  } else {
    assert_false(damage);
  }
  sb_free(&pattern);
}

/* ---- which algorithm ------------------------------------------------------------------------ */

/* Does it run with these algorithms broken in that way? NULL: it does, and is right. Else why not,
 * until the next call. */
static const char *why_not(const Case *x, const char *how, const char *which) {
  static TdError err;
  char name[32];
  snprintf(name, sizeof name, "TDC_EMU_%s", how);
  setenv(name, which, 1);
  make_case(x);
  Session *s = open_session(&err);
  bool ok = s != NULL;
  for (int k = 0; ok && k < 3; k++) {
    write_states(s);
    session_run(s, 0, 0, 0);
    ok = right(s, &err);
  }
  session_free(s);
  unsetenv(name);
  return ok ? NULL : err.message;
}

static void says(const char *why, const char *what) {
  if (why == NULL || strstr(why, what) == NULL)
    fail_msg("no '%s' in: %s", what, why != NULL ? why : "it is right");
}

static void is_right(const char *why) {
  if (why != NULL) fail_msg("%s", why);
}

/* Of the three that the library offers those that are wrong are not taken. Of sums of 2000 terms
 * in bf16 four that are missing show only beside their opposites: 1996 is 2000 there. */
static void test_wrong_algorithms(void **state) {
  (void)state;
  static const Case f32 = {.m = 7,
                           .n = 5,
                           .k = 11,
                           .batch = 3,
                           .alpha = 0.5,
                           .in = TD_F32,
                           .out = TD_F32,
                           .a = {.gap = 2, .columns = true},
                           .b.shared = true,
                           .c.gap = 1};
  static const Case bf16 = {
      .m = 2, .n = 2, .k = 2000, .batch = 1, .alpha = 1, .in = TD_BF16, .out = TD_BF16};
  static const Case one = {.m = 3, .n = 2, .k = 1, .batch = 1, .alpha = 1};
  for (int i = 0; i < 2; i++) {
    const Case *x = i ? &bf16 : &f32;
    is_right(why_not(x, "LT_CUT", "1,2"));
    is_right(why_not(x, "LT_CUT", "1,3"));
    says(why_not(x, "LT_CUT", "1,2,3"), "computes this product wrong");
    is_right(why_not(x, "LT_SPLIT", "1,2"));
    says(why_not(x, "LT_SPLIT", "1,2,3"), "has no algorithm");
  }
  says(why_not(&f32, "FAULT", "cublasLtMatmulAlgoConfigGetAttribute:*:14"), "has no algorithm");
  is_right(why_not(&one, "LT_CUT", "1,2,3")); /* nothing to leave out */
  is_right(why_not(&f32, "LT_TF32", "1,2"));
  says(why_not(&f32, "LT_TF32", "1,2,3"), "product_0 (x.td:7): cuBLASLt 130100 computes");
  is_right(why_not(&bf16, "LT_TF32", "1,2,3"));
}

/* What was chosen stays, until its file is not what was written. */
static void test_pins(void **state) {
  (void)state;
  static const Case x = {.m = 7, .n = 5, .k = 11, .batch = 1, .alpha = 1};
  static const Case y = {.m = 7, .n = 5, .k = 12, .batch = 1, .alpha = 1};
  static const char never[] = "cublasLtMatmulAlgoGetHeuristic:*:14",
                    nor_pins[] = "cublasLtMatmulAlgoGetHeuristic:*:14,cublasLtMatmulAlgoCheck:*:14";
  says(why_not(&x, "FAULT", never), "has no algorithm");
  is_right(why_not(&x, "LT_SLOW", "1,3")); /* the second one is the fastest */
  is_right(why_not(&x, "FAULT", never));
  says(why_not(&x, "LT_CUT", "2"), "c["); /* and is taken, without another look */
  is_right(why_not(&x, "LT_CUT", "1,3"));
  says(why_not(&y, "FAULT", never), "has no algorithm");    /* another shape */
  says(why_not(&x, "FAULT", nor_pins), "has no algorithm"); /* one that the library refuses */
  setenv("TDC_EMU_LT_VERSION", "130200", 1);
  says(why_not(&x, "FAULT", never), "cuBLASLt 130200 has no algorithm");
  is_right(why_not(&x, "LT_SLOW", "2,3"));
  says(why_not(&x, "LT_CUT", "1"), "c[");
  unsetenv("TDC_EMU_LT_VERSION");
  says(why_not(&x, "LT_CUT", "2"), "c["); /* each version its own */
  forget_pins(true);
  says(why_not(&x, "FAULT", never), "has no algorithm");
  is_right(why_not(&x, "LT_SLOW", "1,2"));
  is_right(why_not(&x, "FAULT", never));
  says(why_not(&x, "LT_CUT", "3"), "c[");
}

static int whole_life(void) {
  TdError err;
  Session *s = open_session(&err);
  if (s == NULL) return TOLD;
  bool ok = true;
  for (int k = 0; ok && k < 3; k++) {
    write_states(s);
    session_run(s, 0, 0, 0);
    ok = right(s, &err);
  }
  session_free(s);
  return ok ? RIGHT : err.status == TD_NOT_FINITE ? WRONG : TOLD;
}

static int in_a_child(const char *fault) {
  pid_t child = fork();
  if (child == 0) {
    setenv("TDC_EMU_FAULT", fault, 1);
    _exit(whole_life());
  }
  int status;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Each call in turn, of a product whose algorithm is known. What only gives back may fail, and so
 * may asking for the version; and where the known one is not to be had another is asked for. */
static void test_faults(void **state) {
  static const char *const names[] = {
#define BLAS(result, name, parameters) #name,
#include "runtime/cuda/functions.def"
  };
  (void)state;
  make_case(&plain);
  assert_int_equal(in_a_child("nothing:1"), RIGHT);
  int all = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    bool harmless = strstr(names[i], "Destroy") != NULL || strstr(names[i], "Version") != NULL ||
                    strstr(names[i], "Algo") != NULL || strstr(names[i], "Preference") != NULL;
    int told = 0, end = TOLD;
    for (int n = 1; n < 20 && end == TOLD; n++) {
      char fault[96];
      snprintf(fault, sizeof fault, "%s:%d:14", names[i], n);
      end = in_a_child(fault);
      told += end == TOLD;
      if (end != RIGHT && end != TOLD) fail_msg("%s: ended with %d", fault, end);
    }
    if ((told == 0) != harmless) fail_msg("%s: told %d times", names[i], told);
    all += told;
  }
  assert_true(all >= 10);
}

/* Nothing is chosen yet: an algorithm that fails when it is tried is not taken, and where the
 * library does not answer or the driver fails meanwhile, it is told, or another way was found. */
static void test_faults_of_choice(void **state) {
  static const struct {
    const char *name;
    int most, told; /* calls that fail in turn; told at least */
  } all[] = {{"cublasLtMatmulPreferenceCreate", 2, 1},
             {"cublasLtMatmulPreferenceSetAttribute", 7, 6},
             {"cublasLtMatmulAlgoGetHeuristic", 2, 1},
             {"cublasLtMatmulAlgoConfigGetAttribute", 2, 0},
             {"cublasLtMatmul", 8, 0},
             {"cuMemAlloc_v2", 10, 5},
             {"cuMemsetD8Async", 6, 4},
             {"cuLaunchKernel", 6, 4},
             {"cuEventCreate", 6, 3},
             {"cuEventRecord", 3, 2},
             {"cuEventElapsedTime", 2, 1},
             {"cuStreamSynchronize", 4, 3},
             {"cuStreamBeginCapture_v2", 2, 0},
             {"cuStreamEndCapture", 2, 0},
             {"cuGraphLaunch", 2, 1},
             {"cuMemcpyDtoHAsync_v2", 2, 1},
             {"cuGraphInstantiateWithFlags", 2, 0}};
  (void)state;
  make_case(&plain);
  assert_int_equal(in_a_child("nothing:1"), RIGHT); /* kernels are compiled */
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    int told = 0;
    for (int n = 1; n <= all[i].most; n++) {
      char fault[96];
      forget_pins(false);
      snprintf(fault, sizeof fault, "%s:%d:%d", all[i].name, n,
               strcmp(all[i].name, "cuMemAlloc_v2") == 0 ? 2 : 14);
      int end = in_a_child(fault);
      told += end == TOLD;
      if (end != RIGHT && end != TOLD) fail_msg("%s: ended with %d", fault, end);
    }
    if (told < all[i].told) fail_msg("%s: told %d times", all[i].name, told);
  }
}

/* The library is opened for programs that have products, and for no others. */
static void test_library(void **state) {
  (void)state;
  TdError err = {0};
  char here[] = "/tmp/tdc-test-XXXXXX", link[4200], at[64];
  StrBuf only = {0};
  assert_non_null(mkdtemp(here));
  static const char *const names[] = {"libcuda.so.1", "libnvrtc.so.13"};
  for (int i = 0; i < 2; i++) {
    snprintf(link, sizeof link, "%s/%s", emulator, names[i]);
    snprintf(at, sizeof at, "%s/%s", here, names[i]);
    assert_int_equal(symlink(link, at), 0);
  }
  sb_printf(&only, "%s:-", here);
  setenv("TDC_CUDA_LIBRARIES", only.s, 1);
  sb_free(&only);
  make_case(&plain);
  assert_null(open_session(&err));
  assert_int_equal(err.status, TD_NO_TOOL);
  assert_non_null(strstr(err.message, "libcublasLt.so.13"));
  steps[1].kind = TD_END; /* nothing is launched, and no product is there */
  program.nkernels = 0;
  entries[0].nsteps = 2;
  Session *s = open_session(&err);
  if (s == NULL) fail_msg("%s", err.message);
  session_free(s);
  program.nkernels = 1;
  entries[0].nsteps = 3;
  steps[1].kind = TD_LAUNCH;
  cache_remove_folder(here);
}

/* 32 MiB for the library, and 3 x 8192 numbers in blocks of whole lines. */
static void test_working_memory(void **state) {
  (void)state;
  size_t bytes;
  make_case(&plain);
  assert_true(td_program_memory(&program, 0, &bytes));
  assert_int_equal(bytes, (32 << 20) + 3 * 8192 * 4 + 64);
  program.nkernels = 0;
  assert_true(td_program_memory(&program, 0, &bytes));
  assert_int_equal(bytes, 3 * 8192 * 4 + 64);
  program.nkernels = 1;
}

int main(int argc, char **argv) {
  (void)argc;
  char *folder = io_dirname(argv[0]), *path = folder != NULL ? io_join(folder, "cuda_emu") : NULL;
  if (path == NULL || realpath(path, emulator) == NULL) {
    fprintf(stderr, "the emulated device is not beside %s\n", argv[0]);
    return 1;
  }
  free(folder);
  free(path);
#define TEST(f) cmocka_unit_test_setup(f, enter)
#define CACHED(f) cmocka_unit_test_setup_teardown(f, enter_cache, leave_cache)
  const struct CMUnitTest tests[] = {
      CACHED(test_faults), /* first: nothing is open yet in this process, which forks */
      CACHED(test_faults_of_choice),
      TEST(test_wrong_algorithms),
      CACHED(test_pins),
      TEST(test_layouts),
      TEST(test_thin),
      TEST(test_shape),
      TEST(test_refused),
      TEST(test_library),
      TEST(test_working_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
