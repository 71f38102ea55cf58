/* SPDX-License-Identifier: MIT */
/* What stands before the prelude where kernels are compiled as C for the emulated device:
 * the types that NVRTC does not need, the prelude's primitives by the functions of
 * engine.c, and the functions of C's mathematics that CUDA has built in. No header: as for
 * NVRTC, what is not declared here or in the text does not exist.
 *
 * What threads do together carries its place in the text, a number that no other place
 * has: copies that the compiler makes of a place keep it. */
#ifndef TD_EMULATED
#define TD_EMULATED 1

typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define INT32_MAX 2147483647
#define bool _Bool
#define true 1
#define false 0

typedef struct TdControl {
  unsigned long long seed;
  long long step;
} TdControl;

/* ---- engine.c ---------------------------------------------------------------------- */
int emu_thread(void) __attribute__((const, nothrow));
int emu_threads(void) __attribute__((const, nothrow));
long long emu_block(void) __attribute__((const, nothrow));
long long emu_blocks(void) __attribute__((const, nothrow));
unsigned char *emu_shared(void) __attribute__((const, nothrow));
void emu_barrier(unsigned long long site);
void emu_warp_barrier(unsigned long long site);
unsigned long long emu_shuffle(unsigned long long value, int lane, int exchange,
                               unsigned long long site);
unsigned emu_ballot(int here, unsigned long long site);
unsigned emu_ticket(unsigned *counter, unsigned last);
void emu_fence(void);
void emu_ldmatrix(uint32_t *r, const void *row, int turned, unsigned long long site);
void emu_mma_bf16(float *c, const uint32_t *a, const uint32_t *b, unsigned long long site);
void emu_copy_async(void *to, const void *from);
void emu_copy_commit(void);
void emu_copy_wait(int left);

typedef struct EmuKernel {
  const char *name;
  void *function;
  void (*call)(void *function, const unsigned long long *arguments);
  int threads, resident, arguments;
  const char *pointers;
} EmuKernel;
typedef struct EmuUnit {
  int abi, capability, specific, checked, nkernels;
  const EmuKernel *kernels;
} EmuUnit;

#define TD_KERNEL(threads, resident) static __attribute__((noinline, used)) void
#define TD_DEVICE static inline __attribute__((always_inline, unused))

/* ---- the prelude's primitives -------------------------------------------------------- */
#define EMU_SITE ((unsigned long long)__COUNTER__ << 32 | __LINE__)
#define td_thread() emu_thread()
#define td_threads() emu_threads()
#define td_block() emu_block()
#define td_blocks() emu_blocks()
#define td_barrier() emu_barrier(EMU_SITE)
#define td_warp_barrier() emu_warp_barrier(EMU_SITE)
#define td_shared_memory() emu_shared()
#define td_fence() emu_fence()
#define td_ticket(counter, last) emu_ticket(counter, last)

TD_DEVICE float td_float(unsigned u) {
  float x;
  __builtin_memcpy(&x, &u, 4);
  return x;
}
TD_DEVICE unsigned td_bits(float x) {
  unsigned u;
  __builtin_memcpy(&u, &x, 4);
  return u;
}
#define td_shuffle_xor(x, mask) td_float((unsigned)emu_shuffle(td_bits(x), mask, 1, EMU_SITE))
#define td_shuffle_xor_int(x, mask) ((int)emu_shuffle((unsigned)(x), mask, 1, EMU_SITE))
#define td_shuffle_xor_wide(x, mask) \
  ((long long)emu_shuffle((unsigned long long)(x), mask, 1, EMU_SITE))
#define td_shuffle(x, lane) td_float((unsigned)emu_shuffle(td_bits(x), lane, 0, EMU_SITE))
#define td_shuffle_int(x, lane) ((int)emu_shuffle((unsigned)(x), lane, 0, EMU_SITE))
#define td_shuffle_wide(x, lane) \
  ((long long)emu_shuffle((unsigned long long)(x), lane, 0, EMU_SITE))

#define td_ballot(here) emu_ballot(here, EMU_SITE)
TD_DEVICE int td_bit_count(unsigned bits) { return __builtin_popcount(bits); }
#define td_ldmatrix4(r, row) emu_ldmatrix(r, row, 0, EMU_SITE)
#define td_ldmatrix4_turned(r, row) emu_ldmatrix(r, row, 1, EMU_SITE)
#define td_mma_bf16(c, a, b) emu_mma_bf16(c, a, b, EMU_SITE)
#define td_copy_async(to, from) emu_copy_async(to, from)
#define td_commit() emu_copy_commit()
#define td_wait(left) emu_copy_wait(left)
#define TD_ALIGNED __attribute__((aligned(16)))

TD_DEVICE float td_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
TD_DEVICE unsigned td_mulhi(unsigned a, unsigned b) {
  return (unsigned)((unsigned long long)a * b >> 32);
}
TD_DEVICE unsigned long long td_mulhi64(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}

/* ---- mathematics --------------------------------------------------------------------- */
#define EMU_ONE(name)  \
  double name(double); \
  float name##f(float);
#define EMU_TWO(name)          \
  double name(double, double); \
  float name##f(float, float);
EMU_ONE(sqrt)
EMU_ONE(fabs)
EMU_ONE(floor)
EMU_ONE(ceil)
EMU_ONE(trunc)
EMU_ONE(round)
EMU_ONE(rint)
EMU_ONE(exp)
EMU_ONE(exp2)
EMU_ONE(expm1)
EMU_ONE(log)
EMU_ONE(log2)
EMU_ONE(log1p)
EMU_ONE(sin)
EMU_ONE(cos)
EMU_ONE(tan)
EMU_ONE(atan)
EMU_ONE(tanh)
EMU_ONE(erf)
EMU_TWO(pow)
EMU_TWO(fmod)
EMU_TWO(fmin)
EMU_TWO(fmax)
EMU_TWO(copysign)
double fma(double, double, double);
float fmaf(float, float, float);

#endif
