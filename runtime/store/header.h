/* SPDX-License-Identifier: MIT */
/* The header of a safetensors file, read by a scanner of its own: of JSON it takes what a
 * header may hold and nothing else, so that what it allocates is bounded by the text (six
 * bytes for each of it, at most), where a tree of it would take eighty. */
#ifndef TDC_HEADER_H
#define TDC_HEADER_H

#include "runtime/store/safetensors.h"

typedef struct StHeader {
  StTensor *tensors; /* in the order of the bytes */
  int count;
  const StTensor **by_name; /* the same in the order of their names */
  StPair *meta;             /* in the order of their keys */
  int meta_count;
  char *names; /* texts of all of them */
} StHeader;

/* What is wrong with it. */
typedef struct StFault {
  const char *what; /* NULL: memory is out */
  const char *name; /* of the tensor or the key; or NULL. In `names` of the header */
} StFault;

/* `text`: n bytes; data: how many follow. Checked are that it is JSON of the right form,
 * without a name twice; types, sizes that multiply without overflow, offsets that fit them;
 * and that the tensors tile the data. Free it in either case. */
bool st_header_parse(StHeader *h, const char *text, size_t n, uint64_t data, StFault *why);
void st_header_free(StHeader *h);

#endif
