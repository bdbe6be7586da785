// The prelude on a card: every intrinsic and all inline PTX that kernels use, by a name of ours.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
typedef __half mlc_half;
typedef __nv_bfloat16 mlc_bfloat16;

#define MLC_DEVICE __device__ __forceinline__

extern __shared__ __align__(1024) unsigned char mlc_shared_pool[];
#define MLC_SHARED(type, name, offset) \
  type *const name = reinterpret_cast<type *>(mlc_shared_pool + (offset))

#define mlc_barrier() __syncthreads()
#define mlc_syncwarp() __syncwarp()
template <unsigned threads>
MLC_DEVICE void mlc_barrier_of() {  // of the first threads of a block, whole warps
  asm volatile("bar.sync 1, %0;" ::"n"(threads) : "memory");
}
#define mlc_threadfence() __threadfence()

// ---- warps --------------------------------------------------------------------------------------

MLC_DEVICE unsigned mlc_lane() {
  unsigned lane;
  asm("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}
template <class T>
MLC_DEVICE T mlc_shfl(T value, unsigned from, unsigned width = 32) {
  return __shfl_sync(0xFFFFFFFFu, value, from, width);
}
template <class T>
MLC_DEVICE T mlc_shfl_down(T value, unsigned n, unsigned width = 32) {
  return __shfl_down_sync(0xFFFFFFFFu, value, n, width);
}
template <class T>
MLC_DEVICE T mlc_shfl_up(T value, unsigned n, unsigned width = 32) {
  return __shfl_up_sync(0xFFFFFFFFu, value, n, width);
}
template <class T>
MLC_DEVICE T mlc_shfl_xor(T value, unsigned mask, unsigned width = 32) {
  return __shfl_xor_sync(0xFFFFFFFFu, value, mask, width);
}
MLC_DEVICE unsigned mlc_ballot(bool vote) { return __ballot_sync(0xFFFFFFFFu, vote); }
MLC_DEVICE bool mlc_any(bool vote) { return __any_sync(0xFFFFFFFFu, vote); }
MLC_DEVICE bool mlc_all(bool vote) { return __all_sync(0xFFFFFFFFu, vote); }

// ---- atomics ------------------------------------------------------------------------------------

template <class T>
struct MlcSame {
  typedef T type;
};
// The unsigned integer that compare-and-swap takes for values of some size.
template <int bytes>
struct MlcWord;
template <>
struct MlcWord<2> {
  typedef unsigned short type;
};
template <>
struct MlcWord<4> {
  typedef unsigned int type;
};
template <>
struct MlcWord<8> {
  typedef unsigned long long type;
};
template <class To, class From>
MLC_DEVICE To mlc_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits of the same size");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
template <class T, class Combine>
MLC_DEVICE T mlc_atomic_update(T *p, Combine combine) {
  typedef typename MlcWord<sizeof(T)>::type Word;
  Word *words = reinterpret_cast<Word *>(p);
  Word seen = *reinterpret_cast<volatile Word *>(p), expected;
  do {
    expected = seen;
    seen = atomicCAS(words, expected, mlc_bits<Word>(combine(mlc_bits<T>(expected))));
  } while (seen != expected);
  return mlc_bits<T>(seen);
}
MLC_DEVICE int mlc_atomic_add(int *p, int v) { return atomicAdd(p, v); }
MLC_DEVICE unsigned mlc_atomic_add(unsigned *p, unsigned v) { return atomicAdd(p, v); }
MLC_DEVICE unsigned long mlc_atomic_add(unsigned long *p, unsigned long v) {
  return atomicAdd(reinterpret_cast<unsigned long long *>(p), (unsigned long long)v);
}
MLC_DEVICE long mlc_atomic_add(long *p, long v) {
  return (long)atomicAdd(reinterpret_cast<unsigned long long *>(p), (unsigned long long)v);
}
MLC_DEVICE float mlc_atomic_add(float *p, float v) { return atomicAdd(p, v); }
MLC_DEVICE double mlc_atomic_add(double *p, double v) { return atomicAdd(p, v); }
MLC_DEVICE mlc_half mlc_atomic_add(mlc_half *p, mlc_half v) { return atomicAdd(p, v); }
MLC_DEVICE mlc_bfloat16 mlc_atomic_add(mlc_bfloat16 *p, mlc_bfloat16 v) { return atomicAdd(p, v); }
template <class T>
MLC_DEVICE T mlc_atomic_min(T *p, typename MlcSame<T>::type v) {
  return mlc_atomic_update(p, [v](T old) { return old != old || old < v ? old : v; });
}
template <class T>
MLC_DEVICE T mlc_atomic_max(T *p, typename MlcSame<T>::type v) {
  return mlc_atomic_update(p, [v](T old) { return old != old || old > v ? old : v; });
}
template <class T>
MLC_DEVICE T mlc_atomic_exchange(T *p, typename MlcSame<T>::type v) {
  return mlc_atomic_update(p, [v](T) { return v; });
}
template <class T>
MLC_DEVICE T mlc_atomic_and(T *p, typename MlcSame<T>::type v) {
  return mlc_atomic_update(p, [v](T old) { return T(old & v); });
}
template <class T>
MLC_DEVICE T mlc_atomic_or(T *p, typename MlcSame<T>::type v) {
  return mlc_atomic_update(p, [v](T old) { return T(old | v); });
}
template <class T>
MLC_DEVICE T mlc_atomic_xor(T *p, typename MlcSame<T>::type v) {
  return mlc_atomic_update(p, [v](T old) { return T(old ^ v); });
}
template <class T>
MLC_DEVICE T mlc_atomic_cas(T *p, typename MlcSame<T>::type expected, typename MlcSame<T>::type v) {
  return mlc_atomic_update(p, [expected, v](T old) { return old == expected ? v : old; });
}

// ---- asynchronous copies ------------------------------------------------------------------------

MLC_DEVICE unsigned mlc_shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

#define MLC_CP_ASYNC(bytes, kind)                                                                \
  MLC_DEVICE void mlc_cp_async_##bytes(void *to, const void *from) {                             \
    asm volatile("cp.async." kind ".shared.global [%0], [%1], " #bytes ";" ::"r"(                \
                     mlc_shared_address(to)), "l"(from) : "memory");                             \
  }                                                                                              \
  MLC_DEVICE void mlc_cp_async_##bytes##_zero(void *to, const void *from, unsigned valid) {      \
    asm volatile("cp.async." kind ".shared.global [%0], [%1], " #bytes ", %2;" ::"r"(            \
                     mlc_shared_address(to)), "l"(from), "r"(valid) : "memory");                 \
  }
MLC_CP_ASYNC(4, "ca")
MLC_CP_ASYNC(8, "ca")
MLC_CP_ASYNC(16, "cg")
#undef MLC_CP_ASYNC
MLC_DEVICE void mlc_cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int pending>
MLC_DEVICE void mlc_cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

// ---- a product that is rounded whatever it is added to: the compiler makes no fma of it ------------

MLC_DEVICE float mlc_product(float a, float b) { return __fmul_rn(a, b); }
MLC_DEVICE double mlc_product(double a, double b) { return __dmul_rn(a, b); }

// ---- the less and the greater of two floats, a NaN if one is ---------------------------------------

#if __CUDA_ARCH__ >= 800
#define MLC_EXTREME(name, less)                                                        \
  MLC_DEVICE float mlc_##name##_nan(float a, float b) {                                \
    float made;                                                                        \
    asm(#name ".NaN.f32 %0, %1, %2;" : "=f"(made) : "f"(a), "f"(b));                   \
    return made;                                                                       \
  }
#else
#define MLC_EXTREME(name, less) \
  MLC_DEVICE float mlc_##name##_nan(float a, float b) { return a != a || a less b ? a : b; }
#endif
MLC_EXTREME(min, <)
MLC_EXTREME(max, >)
#undef MLC_EXTREME
