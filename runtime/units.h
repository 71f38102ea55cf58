/* SPDX-License-Identifier: MIT */
/* Which kernels are made, and in which translation units: for devices that compile
 * while the program runs. */
#ifndef TDC_UNITS_H
#define TDC_UNITS_H

#include "compiler/program/program.h"
#include "runtime/prelude.h"
#include "runtime/system/digest.h"
#include "runtime/system/error.h"

/* One translation unit: kernels, or functions of the prelude that they share. */
typedef struct KernelUnit {
  bool shared, brief; /* brief: of kernels that are (TdKernel.brief); the others are not */
  int first, last;    /* its kernels are such between that are in a group; to name it by */
  char *text;
  size_t n;
  char key[DIGEST_HEX]; /* what the cache has it under; who compiles fills it in, of kernels */
  bool cached;          /* it came from there */
} KernelUnit;

typedef struct KernelUnits {
  KernelUnit *at;
  int n, room;
  char key[DIGEST_HEX]; /* of all of them */
  Prelude *prelude;     /* the program's: each unit has what it needs of it */
} KernelUnits;

/* Groups of the kernels that these entries launch, malloc'ed, by kernel; below 0: not
 * wanted. Left out are entries of which made[] says so. *any: one was not. NULL when
 * memory is out. */
int *kernel_groups(const TdProgram *p, const bool *made, const int *entries, int n, bool *any,
                   TdError *err);
/* The same of all entries, and of kernels that no entry launches. */
int *kernel_groups_all(const TdProgram *p, TdError *err);

/* Units of the kernels of source that have a group (group[k] >= 0), in the program's order, those
 * that are brief behind the others, and never of two groups, so that what an entry launches makes
 * the same units whichever entries are made with it, unless some of its kernels were made before
 * and are left out. A unit ends when its kernels' text reaches `bytes`. */
bool units_make(KernelUnits *u, const TdProgram *p, const int *group, size_t bytes, TdError *err);
/* One unit more, of functions that the prelude shares. Another unit of the same library may have
 * some of them too: they are weak. */
bool units_share(KernelUnits *u, char *const *names, int n, TdError *err);
void units_drop_shared(KernelUnits *u);
void units_free(KernelUnits *u);

#endif
