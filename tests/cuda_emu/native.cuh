/* SPDX-License-Identifier: MIT */
/* The primitives of head.h for NVRTC, as the prelude has them and some more: what stands before
 * the tests' kernels where they come by way of PTX. */
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#define TD_KERNEL(threads, resident)                                                               \
  extern "C" __global__ void __launch_bounds__(threads, resident)
#define TD_DEVICE static __device__ __forceinline__
TD_DEVICE int td_thread() { return (int)threadIdx.x; }
TD_DEVICE int td_threads() { return (int)blockDim.x; }
TD_DEVICE long long td_block() { return (long long)blockIdx.x; }
TD_DEVICE long long td_blocks() { return (long long)gridDim.x; }
TD_DEVICE void td_barrier() { __syncthreads(); }
TD_DEVICE void td_warp_barrier() { __syncwarp(); }
TD_DEVICE unsigned char *td_shared_memory() {
  extern __shared__ __align__(16) unsigned char td_shared[];
  return td_shared;
}
TD_DEVICE float td_shuffle_xor(float x, int mask) { return __shfl_xor_sync(~0u, x, mask); }
TD_DEVICE float td_shuffle(float x, int lane) { return __shfl_sync(~0u, x, lane); }
TD_DEVICE uint32_t td_ballot(bool here) { return __ballot_sync(~0u, here); }
TD_DEVICE int td_bit_count(uint32_t bits) { return __popc(bits); }
TD_DEVICE unsigned td_ticket(unsigned *counter, unsigned last) {
  __threadfence();
  return atomicInc(counter, last);
}
TD_DEVICE float td_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
TD_DEVICE uint32_t td_bits(float x) { return __float_as_uint(x); }
#define LDMATRIX(name, turned)                                                                     \
  TD_DEVICE void name(uint32_t *r, const void *row) {                                              \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4" turned ".shared.b16 {%0, %1, %2, %3}, [%4];"      \
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])                                  \
                 : "r"((uint32_t)__cvta_generic_to_shared(row)) : "memory");                       \
  }
LDMATRIX(td_ldmatrix4, "")
LDMATRIX(td_ldmatrix4_turned, ".trans")
TD_DEVICE void td_mma_bf16(float *c, const uint32_t *a, const uint32_t *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
TD_DEVICE void td_copy_async(void *to, const void *from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
               : : "r"((uint32_t)__cvta_generic_to_shared(to)), "l"(from) : "memory");
}
TD_DEVICE void td_commit() { asm volatile("cp.async.commit_group;" : : : "memory"); }
#define td_wait(left) asm volatile("cp.async.wait_group " #left ";" : : : "memory")
