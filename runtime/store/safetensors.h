/* SPDX-License-Identifier: MIT */
/* The safetensors format: a little-endian length, a JSON header, the tensors'
 * bytes one after another. The reader takes nothing on trust: every rule of the
 * format is checked before a tensor is believed, and what is allocated for a header
 * is bounded by its length (header.h). What is written goes through libjansson. */
#ifndef TDC_SAFETENSORS_H
#define TDC_SAFETENSORS_H

#include "runtime/system/error.h"
#include "runtime/system/io.h"

/* From ST_I16 on: in files of other programs, named and measured, but not converted. */
typedef enum {
  ST_F64,
  ST_F32,
  ST_F16,
  ST_BF16,
  ST_I64,
  ST_I32,
  ST_U8,
  ST_BOOL,
  ST_I16,
  ST_I8,
  ST_U64,
  ST_U32,
  ST_U16,
  ST_F8_E4M3,
  ST_F8_E5M2,
  ST_TYPES
} StType;
enum { ST_MAX_RANK = 8, ST_MAX_HEADER = 64 << 20 };
size_t st_type_size(StType t);
const char *st_type_name(StType t); /* "F32" */

typedef struct StTensor {
  const char *name;
  StType type;
  int rank;
  int64_t shape[ST_MAX_RANK];
  int64_t count;       /* product of the shape; 1 for rank 0 */
  uint64_t begin, end; /* in the data section */
} StTensor;

typedef struct StPair {
  const char *key, *value;
} StPair;

/* ---- reading ------------------------------------------------------------- */
typedef struct StFile StFile;
StFile *st_open(const IoHook *hook, const char *path, TdError *err);
/* The same over bytes in memory, which must outlive the result. `path` is only
 * for messages. */
StFile *st_open_memory(const char *path, const void *bytes, size_t n, TdError *err);
void st_close(StFile *f);

int st_count(const StFile *f);
const StTensor *st_at(const StFile *f, int i);              /* in the order of the bytes */
const StTensor *st_find(const StFile *f, const char *name); /* or NULL */
const char *st_meta(const StFile *f, const char *key);      /* or NULL */
int st_meta_count(const StFile *f);
StPair st_meta_at(const StFile *f, int i);
/* The length field and the header as they stand in the file. */
const uint8_t *st_header(const StFile *f, size_t *n);

/* The tensor's bytes as stored. `to` has end - begin bytes. */
bool st_read(StFile *f, const StTensor *t, void *to, TdError *err);
/* Of these, `count` elements from the first-th on. */
bool st_read_some(StFile *f, const StTensor *t, int64_t first, int64_t count, void *to,
                  TdError *err);
/* The tensor's SHA-256, in hexadecimal; reads it in pieces. */
bool st_digest(StFile *f, const StTensor *t, char out[65], TdError *err);

/* ---- tensors that lie where nobody can point ------------------------------- */
enum { ST_PIECE = 1 << 18 }; /* bytes of such a tensor that are in memory at a time */

/* How to reach them: `part` tells the owner which one is meant; `count` elements from the
 * first-th on, in the type they are kept in. */
typedef struct StRemote {
  void *owner;
  bool (*read)(void *owner, int part, int64_t first, int64_t count, void *to, TdError *err);
  void (*write)(void *owner, int part, int64_t first, int64_t count, const void *from);
} StRemote;

/* ---- writing ------------------------------------------------------------- */
/* A tensor to be written: it is in type `from`, and is stored as `type`. */
typedef struct StSource {
  const char *name;
  StType type, from;
  int rank;
  int64_t shape[ST_MAX_RANK];
  const void *data;       /* or NULL: */
  const StRemote *remote; /* elements first .. of `part` */
  int part;
  int64_t first;
} StSource;

/* The header's text: 8 bytes of length, JSON, spaces up to a multiple of 64.
 * malloc'ed; NULL after an error (a name twice, text that is not UTF-8). */
uint8_t *st_make_header(const StSource *tensors, int n, const StPair *meta, int nmeta, size_t *size,
                        TdError *err);
bool st_write_data(IoFile *f, const StSource *t, TdError *err);
/* The SHA-256 of the bytes that st_write_data would write. */
bool st_source_digest(const StSource *t, char out[65], TdError *err);
bool st_write_file(const IoHook *hook, const char *path, const StSource *tensors, int n,
                   const StPair *meta, int nmeta, TdError *err);

/* ---- numbers -------------------------------------------------------------- */
/* Rounding is to nearest, ties to even; NaN stays NaN. */
uint16_t f16_from_f32(float x);
float f32_from_f16(uint16_t h);
uint16_t bf16_from_f32(float x);
float f32_from_bf16(uint16_t h);
/* n numbers from one type to another; false if the pair makes no sense
 * (a real into an integer). */
bool st_convert(StType to_type, void *to, StType from_type, const void *from, size_t n);

#endif
