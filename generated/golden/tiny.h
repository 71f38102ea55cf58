/* A program made by tdc. Nothing here is thread-safe; one handle per thread. */
#ifndef tiny_H
#define tiny_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct tiny_Program tiny_Program;

/* `threads` run each kernel's pieces; results do not depend on their number.
 * NULL when memory or threads are out. */
tiny_Program *tiny_create(int threads);
void          tiny_destroy(tiny_Program *p);

/* Run an entry ("init", "train", "model.denoise", ...): 0, or -1 if there is none of that name. */
int           tiny_run(tiny_Program *p, const char *entry, uint64_t seed, int64_t step);
/* The same of an entry that ran before, after which no parameter changed: what it
 * keeps from run to run is not made again. */
int           tiny_run_again(tiny_Program *p, const char *entry, uint64_t seed, int64_t step);

/* Storage to read and write, with its number of elements; NULL when unknown.
 * Reals are float, integers int32_t, bools uint8_t. */
void         *tiny_input(tiny_Program *p, const char *entry, const char *name, int64_t *count);
const void   *tiny_output(tiny_Program *p, const char *entry, const char *name, int64_t *count);
void         *tiny_state(tiny_Program *p, const char *name, int64_t *count);
/* A named piece of a state: one parameter, "denoise.layer.wq". */
void         *tiny_tensor(tiny_Program *p, const char *name, int64_t *count);
int           tiny_tensor_count(void);
const char   *tiny_tensor_name(int i);

#ifdef __cplusplus
}
#endif
#endif
