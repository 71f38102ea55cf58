/* SPDX-License-Identifier: MIT */
/* From graphs to a program: each entry's graph is rewritten, cut into kernels,
 * given storage and a schedule, and written as C. */
#ifndef TDC_BACKEND_H
#define TDC_BACKEND_H

#include "compiler/ir/ir.h"
#include "compiler/program/program.h"

/* Every pass can be switched off: the meaning must not change. */
typedef struct BackendOptions {
  bool simplify;       /* common nodes, loop-invariant nodes */
  bool fuse_maps;      /* substitute maps into what reads them */
  bool fuse_rows;      /* several nodes over the same rows in one kernel */
  bool contractions;   /* sums of products through the matrix template */
  bool fuse_epilogues; /* maps on the tile of a contraction */
  bool chains;   /* products of products kept on chip, and computed again for the backward pass */
  bool in_place; /* updates, carries and packs without copies */
  bool share_memory; /* lifetimes share the arena */
  bool keep_values;  /* for a later loop; off: what can be computed there again is */
  bool loops;        /* loops whose iterations are independent along an axis as one kernel */
} BackendOptions;
BackendOptions backend_defaults(void);
/* Switches the options of these names off; commas separate them. False, with those before it
 * switched, at a name that is none. */
bool backend_without(BackendOptions *o, const char *names);
const char *backend_option(int i); /* their names; NULL past the last */

/* What programs can be compiled for, by name: "cpu", "cuda". NULL: there is none of that name. */
const struct Target *backend_target(const char *name);

typedef struct Backend Backend;

/* Everything lives in the arena; the name is the program's. */
Backend *backend_new(Arena *a, Diags *d, const char *name, const BackendOptions *o);

/* Programs for another target than the CPU; before the first entry. */
void backend_for(Backend *be, const struct Target *target);

/* How activations are stored and multiplied: TD_F32, or TD_BF16 for all entries to come. */
void backend_activations(Backend *be, TdType act);

/* How factors in f32 are multiplied, for all entries to come: TD_SPLIT_F32 (the default), FMA,
 * rounded to bf16, or in so many products of parts in bf16, where the target does so. */
void backend_split(Backend *be, int split);

/* The forms that a graph goes through, by the pass that makes them: form i, or
 * NULL past the last. The first, "lower", is before all passes; the last, "plan",
 * is what becomes of it then. */
const char *backend_form(int i);
/* Every entry in that form, as text, to `out`. */
void backend_dump(Backend *be, const char *form, StrBuf *out);

/* The persistent state of all entries, matched to N_STATE nodes by name. A
 * state that no one declared is created when an entry first mentions it. */
int backend_state(Backend *be, const char *name, Type type, int rank, const int64_t *shape);
void backend_tensor(Backend *be, const TdTensor *t);

/* In entries from now on, so many values are not kept for a later loop but
 * computed there again; see recompute.c. */
void backend_recompute(Backend *be, int most);
int backend_recomputed(const Backend *be); /* how many were, in the last entry */
/* Entries from now on run many times while parameters stay as they are: a step of a sampler. */
void backend_repeated(Backend *be, bool yes);

/* Append one entry. The graph is consumed: passes rewrite it. False after an
 * error in the diagnostics. */
bool backend_entry(Backend *be, Graph *g, const char *entry_name);

/* The plan, as text, of the graph as it is: no pass runs over it, but what no output and no update
 * needs is left out, and derivatives that were given are. It is consumed. */
void backend_plan(Backend *be, Graph *g, StrBuf *out);

TdProgram *backend_finish(Backend *be);

/* -- print_plan.c ------------------------------------------------------------ */
/* Kernels with class, shape, pieces, FLOPs and bytes; buffers with offset and
 * lifetime; the arena's peak. */
void backend_print_plan(Arena *a, const TdProgram *p, StrBuf *out);

/* -- print_picture.c ----------------------------------------------------------- */
/* An entry's kernels, loops and temporaries as SVG. */
void backend_print_picture(Arena *a, const TdProgram *p, const TdEntry *e, StrBuf *out);

/* -- standalone.c -------------------------------------------------------------- */
/* One C file that builds alone (cc -O3 -shared -fPIC NAME.c -o libNAME.so -lm -lpthread)
 * and its header. */
void emit_standalone_c(const TdProgram *p, StrBuf *c, StrBuf *h);
/* The program's name as an identifier: what the public names of that file begin with, and the
 * NAME of NAME.c and NAME.h, by which the one includes the other. */
enum { EMIT_NAME = 64 };
void emit_c_name(const TdProgram *p, char out[EMIT_NAME]);

/* -- cuda/file.c ----------------------------------------------------------------- */
/* A program for CUDA as one file to read, which nvcc compiles. */
void emit_cuda_file(const TdProgram *p, StrBuf *out);

#endif
