/* SPDX-License-Identifier: MIT */
/* How a run came about: what it was made of and where it ran. */
#ifndef TDC_RECORD_H
#define TDC_RECORD_H

#include <jansson.h>

#include "runtime/project.h"

/* What a program runs on. */
typedef struct RecordMachine {
  const char *device;       /* "cpu" */
  const char *gpu;          /* its name; NULL: none is used */
  const char *compiler;     /* of kernels: its first line counts; NULL: none were compiled */
  const char *const *flags; /* of it, NULL at the end; or NULL */
  int threads;
} RecordMachine;

/* A JSON object: tdc's version, the source's and the data's hash, overrides,
 * seed, compiler and flags, machine, threads, time. NULL when memory is out. */
json_t *record_make(const Project *p, const Define *defines, int ndefines, uint64_t seed,
                    const RecordMachine *m);
/* How products of f32 were made in a run of that record: "split6" where there were tiles for it,
 * "bf16", or "fma". NULL: it does not say. */
const char *record_products(const json_t *record);
/* A record as text without the folders of files, for weights that are given away; *out is
 * to be freed, NULL when there is none or it is no record. False when memory is out. */
bool record_without_folders(const char *record, char **out);

#endif
