// The prelude on the processor: what CUDA C and device.cuh declare, for the emulator.
#pragma once
#include <math.h>

#include "emulator.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define MLC_DEVICE static inline
#define MLC_EMULATED 1
#define MLC_UNWATCHED __attribute__((no_sanitize("thread")))

#define threadIdx (mlc_current->index)
#define blockIdx mlc_block_index
#define blockDim mlc_block_extent
#define gridDim mlc_grid_extent
#define warpSize 32

#define MLC_SHARED(type, name, offset) \
  type *const name = reinterpret_cast<type *>(mlc_shared_pool + (offset))

#define mlc_barrier() mlc_barrier_at(__LINE__, __COUNTER__ + 1)
#define mlc_syncwarp() mlc_sync_lanes(__LINE__)
template <unsigned threads>
MLC_DEVICE void mlc_barrier_of(int line = __builtin_LINE()) {
  mlc_barrier_of_at(threads, line);
}
#define mlc_threadfence() mlc_fence()
#define __syncthreads() mlc_barrier()

// ---- vectors ------------------------------------------------------------------------------------

#define MLC_VECTORS(name, type)                                                          \
  struct alignas(2 * sizeof(type)) name##2 { type x, y; };                               \
  struct alignas(sizeof(type) < 8 ? 4 * sizeof(type) : 16) name##4 { type x, y, z, w; }; \
  MLC_DEVICE name##2 make_##name##2(type x, type y) { return {x, y}; }                   \
  MLC_DEVICE name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
MLC_VECTORS(char, signed char)
MLC_VECTORS(uchar, unsigned char)
MLC_VECTORS(short, short)
MLC_VECTORS(ushort, unsigned short)
MLC_VECTORS(int, int)
MLC_VECTORS(uint, unsigned)
MLC_VECTORS(longlong, long long)
MLC_VECTORS(ulonglong, unsigned long long)
MLC_VECTORS(float, float)
MLC_VECTORS(double, double)
#undef MLC_VECTORS

// ---- bits and fast functions --------------------------------------------------------------------

template <class To, class From>
MLC_DEVICE To mlc_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits of the same size");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}
MLC_DEVICE float __int_as_float(int v) { return mlc_bits<float>(v); }
MLC_DEVICE float __uint_as_float(unsigned v) { return mlc_bits<float>(v); }
MLC_DEVICE int __float_as_int(float v) { return mlc_bits<int>(v); }
MLC_DEVICE unsigned __float_as_uint(float v) { return mlc_bits<unsigned>(v); }
MLC_DEVICE double __longlong_as_double(long long v) { return mlc_bits<double>(v); }
MLC_DEVICE long long __double_as_longlong(double v) { return mlc_bits<long long>(v); }
MLC_DEVICE float rsqrtf(float v) { return 1.0f / sqrtf(v); }
MLC_DEVICE double rsqrt(double v) { return 1.0 / sqrt(v); }
MLC_DEVICE int __popc(unsigned v) { return __builtin_popcount(v); }
MLC_DEVICE int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
MLC_DEVICE int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
MLC_DEVICE int __clzll(long long v) { return v ? __builtin_clzll((unsigned long long)v) : 64; }
MLC_DEVICE int __ffs(int v) { return __builtin_ffs(v); }
MLC_DEVICE unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)(((unsigned long long)a * b) >> 32);
}
MLC_DEVICE unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
template <class T>
MLC_DEVICE T __ldg(const T *p) {
  return *p;
}
// Names that the C library has too, under another declaration.
#define __expf(x) expf(x)
#define __exp10f(x) powf(10.0f, x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __powf(x, y) powf(x, y)
#define __fdividef(x, y) ((x) / (y))

// ---- 16-bit floats ------------------------------------------------------------------------------

// The nearest of these floats; ties go to the even one.
MLC_DEVICE uint16_t mlc_half_bits(double value) {
  uint64_t bits = mlc_bits<uint64_t>(value), mantissa = bits & 0xFFFFFFFFFFFFFull;
  uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
  int exponent = (int)(bits >> 52 & 0x7FF) - 1023;
  if (exponent == 1024) return sign | 0x7C00 | (mantissa ? 0x200 | (uint16_t)(mantissa >> 42) : 0);
  if (exponent < -25) return sign;
  mantissa |= 1ull << 52;
  int shift = exponent < -14 ? 42 + (-14 - exponent) : 42;
  uint64_t kept = mantissa >> shift, rest = mantissa & ((1ull << shift) - 1), half = 1ull << (shift - 1);
  if (rest > half || (rest == half && (kept & 1))) kept++;
  uint64_t whole = exponent < -14 ? kept : kept + ((uint64_t)(exponent + 14) << 10);
  return sign | (uint16_t)(whole > 0x7C00 ? 0x7C00 : whole);
}
MLC_DEVICE float mlc_half_value(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, rest = bits & 0x3FF;
  if (exponent == 31) return mlc_bits<float>(sign | 0x7F800000 | rest << 13);
  if (exponent) return mlc_bits<float>(sign | (exponent + 112) << 23 | rest << 13);
  float small = (float)rest * 5.9604644775390625e-8f;
  return sign ? -small : small;
}
MLC_DEVICE uint16_t mlc_bfloat16_bits(double value) {
  float near = (float)value;
  uint32_t bits = mlc_bits<uint32_t>(near);
  if (near != near) return (uint16_t)(bits >> 16 | 0x40);
  // Rounded once: a float that is not the value itself gets an odd last digit.
  if ((double)near != value) {
    bool outwards = fabs((double)near) > fabs(value);
    if (outwards) bits--;
    bits |= 1;
  }
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
MLC_DEVICE float mlc_bfloat16_value(uint16_t bits) { return mlc_bits<float>((uint32_t)bits << 16); }

#define MLC_SMALL_FLOAT(name)                                                                \
  struct name {                                                                              \
    uint16_t bits;                                                                           \
    name() = default;                                                                        \
    template <class T>                                                                       \
    explicit name(T value) : bits(name##_bits((double)value)) {}                             \
    explicit operator float() const { return name##_value(bits); }                           \
    explicit operator double() const { return name##_value(bits); }                          \
  };                                                                                         \
  MLC_DEVICE name operator+(name a, name b) { return name((double)float(a) + float(b)); }    \
  MLC_DEVICE name operator-(name a, name b) { return name((double)float(a) - float(b)); }    \
  MLC_DEVICE name operator*(name a, name b) { return name((double)float(a) * float(b)); }    \
  MLC_DEVICE name operator/(name a, name b) { return name((double)float(a) / float(b)); }    \
  MLC_DEVICE name operator-(name a) { a.bits ^= 0x8000; return a; }                          \
  MLC_DEVICE bool operator<(name a, name b) { return float(a) < float(b); }                  \
  MLC_DEVICE bool operator>(name a, name b) { return float(a) > float(b); }                  \
  MLC_DEVICE bool operator==(name a, name b) { return float(a) == float(b); }                \
  MLC_DEVICE bool operator!=(name a, name b) { return float(a) != float(b); }
MLC_SMALL_FLOAT(mlc_half)
MLC_SMALL_FLOAT(mlc_bfloat16)
#undef MLC_SMALL_FLOAT

// ---- launching ----------------------------------------------------------------------------------

// A pointer that becomes whatever pointer a kernel takes.
struct MlcPointer {
  void *address;
  template <class T>
  operator T *() const {
    return (T *)address;
  }
  operator const MlcBoxes &() const { return *(const MlcBoxes *)address; }
};

#define MLC_LAUNCH(name, call)                                                                 \
  MLC_UNWATCHED static void mlc_call_##name(void **a) { call; }                                \
  extern "C" __attribute__((visibility("default"))) int mlc_launch_##name(MlcLaunch *launch,   \
                                                                          void **arguments) { \
    return mlc_run(launch, mlc_call_##name, arguments);                                        \
  }

// ---- warps --------------------------------------------------------------------------------------

#define mlc_lane() (mlc_current->number & 31)

template <class T>
MLC_DEVICE T mlc_shuffle(T value, unsigned from, const char *what, int line) {
  static_assert(sizeof(T) <= MLC_SLOT_BYTES, "too large for a shuffle");
  mlc_exchange(&value, sizeof value, what, line);
  T got;
  __builtin_memcpy(&got, mlc_handed(from), sizeof got);
  return got;
}
MLC_DEVICE unsigned mlc_below(unsigned lane, unsigned n, unsigned width) {
  return (lane & (width - 1)) + n < width ? lane + n : lane;
}
MLC_DEVICE unsigned mlc_above(unsigned lane, unsigned n, unsigned width) {
  return (lane & (width - 1)) >= n ? lane - n : lane;
}
MLC_DEVICE unsigned mlc_across(unsigned lane, unsigned mask, unsigned width) {
  unsigned to = lane ^ mask;  // lanes of later segments are out of reach
  return to / width > lane / width ? lane : to;
}
MLC_DEVICE unsigned mlc_within(unsigned lane, unsigned n, unsigned width) {
  return (lane & ~(width - 1)) | (n & (width - 1));
}
template <class T>
MLC_DEVICE T mlc_shfl(T value, unsigned from, unsigned width = 32, int line = __builtin_LINE()) {
  return mlc_shuffle(value, mlc_within(mlc_lane(), from, width), "mlc_shfl", line);
}
template <class T>
MLC_DEVICE T mlc_shfl_down(T value, unsigned n, unsigned width = 32, int line = __builtin_LINE()) {
  return mlc_shuffle(value, mlc_below(mlc_lane(), n, width), "mlc_shfl_down", line);
}
template <class T>
MLC_DEVICE T mlc_shfl_up(T value, unsigned n, unsigned width = 32, int line = __builtin_LINE()) {
  return mlc_shuffle(value, mlc_above(mlc_lane(), n, width), "mlc_shfl_up", line);
}
template <class T>
MLC_DEVICE T mlc_shfl_xor(T value, unsigned mask, unsigned width = 32, int line = __builtin_LINE()) {
  return mlc_shuffle(value, mlc_across(mlc_lane(), mask, width), "mlc_shfl_xor", line);
}
MLC_DEVICE unsigned mlc_lanes_of_warp() {
  unsigned threads = blockDim.x * blockDim.y * blockDim.z, first = mlc_current->own & ~31u;
  return threads - first < 32 ? threads - first : 32;
}
MLC_DEVICE unsigned mlc_ballot(bool vote, int line = __builtin_LINE()) {
  mlc_exchange(&vote, sizeof vote, "mlc_ballot", line);
  unsigned votes = 0, lanes = mlc_lanes_of_warp();
  for (unsigned lane = 0; lane < lanes; lane++)
    if (*(const unsigned char *)mlc_handed(lane)) votes |= 1u << lane;
  return votes;
}
MLC_DEVICE bool mlc_any(bool vote, int line = __builtin_LINE()) { return mlc_ballot(vote, line) != 0; }
MLC_DEVICE bool mlc_all(bool vote, int line = __builtin_LINE()) { return mlc_ballot(!vote, line) == 0; }

// ---- atomics ------------------------------------------------------------------------------------

template <class T>
struct MlcSame {
  typedef T type;
};
#define MLC_ATOMIC(name, result)                                                        \
  template <class T>                                                                    \
  MLC_UNWATCHED static T name(T *p, typename MlcSame<T>::type v) { \
    mlc_touch(p, sizeof(T), 1, 1);                                                      \
    T old = *p;                                                                         \
    *p = result;                                                                        \
    return old;                                                                         \
  }
MLC_ATOMIC(mlc_atomic_add, T(old + v))
MLC_ATOMIC(mlc_atomic_min, old != old || old < v ? old : v)
MLC_ATOMIC(mlc_atomic_max, old != old || old > v ? old : v)
MLC_ATOMIC(mlc_atomic_exchange, v)
MLC_ATOMIC(mlc_atomic_and, T(old & v))
MLC_ATOMIC(mlc_atomic_or, T(old | v))
MLC_ATOMIC(mlc_atomic_xor, T(old ^ v))
template <class T>
MLC_UNWATCHED static T mlc_atomic_cas(
    T *p, typename MlcSame<T>::type expected, typename MlcSame<T>::type v) {
  mlc_touch(p, sizeof(T), 1, 1);
  T old = *p;
  if (old == expected) *p = v;
  return old;
}
#undef MLC_ATOMIC

// ---- asynchronous copies ------------------------------------------------------------------------

#define MLC_CP_ASYNC(bytes)                                                                      \
  MLC_DEVICE void mlc_cp_async_##bytes(void *to, const void *from, int line = __builtin_LINE()) { \
    mlc_copy_later(to, from, bytes, bytes, line);                                                \
  }                                                                                              \
  MLC_DEVICE void mlc_cp_async_##bytes##_zero(void *to, const void *from, unsigned valid,        \
                                              int line = __builtin_LINE()) {                     \
    mlc_copy_later(to, from, bytes, valid, line);                                                \
  }
MLC_CP_ASYNC(4)
MLC_CP_ASYNC(8)
MLC_CP_ASYNC(16)
#undef MLC_CP_ASYNC
MLC_DEVICE void mlc_cp_async_commit() { mlc_copies_commit(); }
template <int pending>
MLC_DEVICE void mlc_cp_async_wait() {
  mlc_copies_wait(pending);
}

MLC_DEVICE float mlc_product(float a, float b) { return a * b; }
MLC_DEVICE double mlc_product(double a, double b) { return a * b; }
MLC_DEVICE float mlc_min_nan(float a, float b) { return a != a || a < b ? a : b; }
MLC_DEVICE float mlc_max_nan(float a, float b) { return a != a || a > b ? a : b; }

#include "mixed.h"
#include "emulated_tensor_cores.h"
#include "emulated_boxes.h"
