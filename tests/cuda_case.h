/* SPDX-License-Identifier: MIT */
/* A small program for a GPU, as the compiler writes one, on the emulated device: kernels with
 * shared memory, a state, loops, control and a step that runs once; what its runs have to leave;
 * and series of them. The program is each test's own to damage: emulator_enter makes its kernels
 * anew. */
#ifndef TDC_TESTS_CUDA_CASE_H
#define TDC_TESTS_CUDA_CASE_H

#include "runtime/cuda/device.h"
#include "runtime/session.h"

enum { N = 1000, ROWS = 4, THREADS = 128, BLOCKS = (N + THREADS - 1) / THREADS };
enum { LARGE = 64 << 10 }; /* shared memory that has to be asked for */
enum { KERNELS = 5 };

extern const char count_source[]; /* of kernel 3 */
extern TdKernel kernels[KERNELS];
extern TdStep steps[];
extern TdEntry entries[];
extern TdProgram program;

/* ---- the emulated device ------------------------------------------------------------------- */

extern char emulator[4096]; /* its folder, beside the test program */
/* False: it is not beside this program, and that was said. */
bool emulator_find(const char *test);

/* Setup and teardown: *state is a folder for a cache, nothing is asked of the device. */
int emulator_enter(void **state);
int emulator_leave(void **state);

/* The program's session with its entry prepared; info may be NULL. NULL: *err says why. */
Session *open_session(const char *folder, CudaInfo *info, TdError *err);

/* ---- runs ---------------------------------------------------------------------------------- */

float x_of(int i); /* input x */

/* What the runs so far leave: total is the sum of their factors times x, and 6 for each run. */
typedef struct Expected {
  float factor, factors;
  int runs, firsts; /* firsts: not again */
  int n;
} Expected;

bool as_expected(const Session *s, const Expected *e, TdError *err);

bool run_once(Session *s, Expected *e, float factor, uint64_t seed, int64_t step, bool again,
              const DeviceWatch *watch, TdError *err);

typedef struct Watched {
  Session *session;
  int before, after, kernels;
  float seen; /* y[1], after the first kernel */
  int times;
  double last; /* when the launch before ended */
} Watched;

/* The times of launches follow one another. ctx: a Watched. */
void watch_time(void *ctx, int step, double begin, double end);

/* ---- series -------------------------------------------------------------------------------- */

enum { MOST = 8, TOGETHER = 4, OUTPUTS = 4 };

Series *open_series(Session *s, int most, int together, TdError *err);

/* n runs with factors from `factor` on, and what each leaves: y[0], n, times, pairs[0]. */
bool run_series(Session *s, Series *r, Expected *e, int n, float factor, int64_t step, bool again,
                TdError *err);

#endif
