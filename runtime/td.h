/* SPDX-License-Identifier: MIT */
/* libtdc: open a .td file, train it, sample from it, run its models, read and
 * write its parameters. The one public header; every type is opaque but the
 * error and the options.
 *
 *   TdError err = { TD_OK, 0, "" };
 *   Td *td = td_open("models/shakespeare.td", NULL, &err);
 *   if (td == NULL || !td_load(td, "runs/shakespeare", &err)) return fail(err.message);
 *   char *text;
 *   TdSetting warm = { "temperature", "0.9" };
 *   if (td_sample(td, NULL, &warm, 1, 42, &text, &err)) puts(text);
 *   free(text);
 *   td_close(td);
 *
 * Functions that can fail return false or NULL and fill the TdError, which is
 * never NULL. One Td is for one thread at a time; it runs on its own pool of
 * threads. Numbers are 32-bit floats, row-major; token numbers 32-bit integers.
 * Compile and link with `pkg-config --cflags --libs tdc`, or with
 * -ltdc -ljansson -lcrypto -lutf8proc -lm -lpthread -ldl */
#ifndef TD_H
#define TD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Also the exit codes of the command line. */
typedef enum TdStatus {
  TD_OK = 0,
  TD_BAD_FILE = 1,   /* the .td file is wrong: the message holds the diagnostics */
  TD_BAD_USAGE = 2,  /* names, shapes, values */
  TD_NO_TOOL = 3,    /* a compiler or a device is missing or broken */
  TD_IO_FAILED = 4,  /* files, folders, memory */
  TD_DAMAGED = 5,    /* a checkpoint or a corpus is not what it should be */
  TD_NOT_FINITE = 6, /* NaN or infinity where a number was needed */
  TD_STOPPED = 7     /* asked to stop; `signal` says by what */
} TdStatus;

typedef struct TdError {
  TdStatus status;
  int signal; /* TD_STOPPED: SIGINT, SIGTERM, ... */
  char message[4096];
} TdError;

typedef struct Td Td;

/* A name and its value, as on the command line. */
typedef struct TdSetting {
  const char *name, *value;
} TdSetting;

typedef struct TdOptions {
  const TdSetting *defines; /* overrides of const, dim and axis: { "B", "8" } */
  int ndefines;
  const char *data; /* a text to read instead of the one that the file names, or NULL */
  int threads;      /* 0: all */
  uint64_t seed;    /* of the initial parameters */
  const char *act;  /* activations in "f32" or "bf16", whatever the file says; NULL: what it says */
  /* products of f32 as "f32", "fma", "split6", "split3", "bf16", whatever the file says; NULL: what
   * it says */
  const char *product;
  bool offline;    /* never download a corpus */
  bool reference;  /* run on the reference evaluator: double precision, slow */
  uint64_t memory; /* bytes it may take: values that do not fit are computed again; 0: no limit */
  /* "cpu", "cuda" or "reference": TD_NO_TOOL when it is not to be had. NULL: what TDC_DEVICE in the
   * environment says, or the CPU. */
  const char *device;
} TdOptions;

/* Compile the file; parameters have their initial values. Kernels are compiled
 * when what they belong to is first used: TD_NO_TOOL when that fails. When no device is asked for
 * and there is no C compiler, the program runs on the reference evaluator, slower by
 * far: td_reference tells. Options may be NULL. */
Td *td_open(const char *path, const TdOptions *options, TdError *err);
bool td_reference(const Td *td); /* it runs on the reference evaluator */
void td_close(Td *td);           /* NULL is allowed */
const char *td_version(void);

/* ---- parameters ------------------------------------------------------------ */
/* From a weights file or a run's folder (its best checkpoint). */
bool td_load(Td *td, const char *path, TdError *err);
/* Half precision, parameters only. */
bool td_export(Td *td, const char *path, TdError *err);

int td_parameter_count(const Td *td);
/* Name ("denoise.layer.wq"), number of axes, their extents (8 at most). NULL
 * past the end. */
const char *td_parameter(const Td *td, int i, int *rank, int64_t shape[8]);
/* All n numbers of a parameter; n must be the product of its shape. Writing
 * sets the running average too, where there is one. */
bool td_read(const Td *td, const char *name, float *out, int64_t n, TdError *err);
bool td_write(Td *td, const char *name, const float *in, int64_t n, TdError *err);

/* ---- training ----------------------------------------------------------------- */
typedef struct TdTrainOptions {
  const char *folder; /* of the run: checkpoints, log.jsonl, curve.svg */
  /* Going on with a run needs the text that it was trained on, unless td_open was given `data`. */
  bool resume, overwrite;
  int64_t steps;            /* 0: what the file says */
  uint64_t seed;            /* of every draw and every window */
  const volatile int *stop; /* non-zero: save, and return false with TD_STOPPED; or NULL */
} TdTrainOptions;
/* Begins with initial parameters of the seed, or with those of td_load and td_write when one of
 * them was called since td_open or the last training; with `resume`, with the run's own. */
bool td_train(Td *td, const TdTrainOptions *options, TdError *err);

/* ---- sampling ------------------------------------------------------------------- */
/* The first row that the sampler emits, malloc'ed. sampler NULL: the first of
 * the file. Settings are its parameters; a number outside its range is TD_BAD_USAGE. */
bool td_sample(Td *td, const char *sampler, const TdSetting *settings, int nsettings, uint64_t seed,
               char **text, TdError *err);

/* ---- models ---------------------------------------------------------------------- */
/* Give each input, run, look at the outputs (valid until the next run of
 * anything). n is the number of values, the product of the shape. */
bool td_set_reals(Td *td, const char *model, const char *input, const float *x, int64_t n,
                  TdError *err);
bool td_set_ints(Td *td, const char *model, const char *input, const int32_t *x, int64_t n,
                 TdError *err);
bool td_run(Td *td, const char *model, uint64_t seed, TdError *err);
/* NULL when there is no such output, it is not real, or it cannot be read. */
const float *td_output(const Td *td, const char *model, const char *output, int *rank,
                       int64_t shape[8]);

#ifdef __cplusplus
}
#endif

#endif
