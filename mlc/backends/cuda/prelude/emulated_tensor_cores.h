// Tensor cores by the processor: each lane hands its registers to the others of its warp, and
// computes its own part of the result.
#pragma once

struct MlcFragments {
  uint32_t a[4], b[2];
};
// Element `part` of those that share a register, as it is multiplied.
struct MlcHalves {
  enum { width = 2 };
  typedef double Sum;
  static double element(uint32_t word, unsigned part) { return mlc_half_value((uint16_t)(word >> 16 * part)); }
};
struct MlcBfloats {
  enum { width = 2 };
  typedef double Sum;
  static double element(uint32_t word, unsigned part) { return mlc_bfloat16_value((uint16_t)(word >> 16 * part)); }
};
struct MlcTf32s {  // rounded to 10 bits, ties away from zero
  enum { width = 1 };
  typedef double Sum;
  static double element(uint32_t word, unsigned) {
    if ((word & 0x7F800000) != 0x7F800000) word = (word + 0x1000) & ~0x1FFFu;
    return mlc_bits<float>(word);
  }
};
struct MlcBytes {
  enum { width = 4 };
  typedef uint32_t Sum;
  static uint32_t element(uint32_t word, unsigned part) { return (uint32_t)(int)(int8_t)(word >> 8 * part); }
};

// d += a b for tiles of 16 x 8 w, 8 w x 8 and 16 x 8, where w elements share a register.
template <class Kind, class T>
MLC_UNWATCHED static void mlc_mma(T *d, const uint32_t *a, const uint32_t *b, const char *what, int line) {
  MlcFragments mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  mlc_exchange(&mine, sizeof mine, what, line);
  const unsigned lane = mlc_lane(), w = Kind::width;
  for (unsigned n = 0; n < 4; n++) {
    unsigned row = lane / 4 + n / 2 * 8, column = lane % 4 * 2 + n % 2;
    typename Kind::Sum sum = 0;
    for (unsigned k = 0; k < 8 * w; k++) {
      unsigned place = k / w % 4, late = k / w / 4;
      const MlcFragments *left = (const MlcFragments *)mlc_handed(row % 8 * 4 + place);
      const MlcFragments *right = (const MlcFragments *)mlc_handed(column * 4 + place);
      sum += Kind::element(left->a[row / 8 + late * 2], k % w) * Kind::element(right->b[late], k % w);
    }
    d[n] = (T)((typename Kind::Sum)d[n] + sum);
  }
}
#define MLC_MMA(name, kind, type)                                                               \
  MLC_DEVICE void name(type (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],            \
                       int line = __builtin_LINE()) {                                           \
    mlc_mma<kind>(d, a, b, #name, line);                                                        \
  }
MLC_MMA(mlc_mma_m16n8k16_f16, MlcHalves, float)
MLC_MMA(mlc_mma_m16n8k16_bf16, MlcBfloats, float)
MLC_MMA(mlc_mma_m16n8k8_tf32, MlcTf32s, float)
MLC_MMA(mlc_mma_m16n8k32_s8, MlcBytes, int)
#undef MLC_MMA

MLC_UNWATCHED static void mlc_load_matrices(uint32_t *r, unsigned count, const void *row,
                                            bool transposed, const char *what, int line) {
  unsigned lane = mlc_lane();
  if (lane < 8 * count && (uint64_t)row % 16)
    mlc_fail(2, "loads a row of a matrix whose address is no multiple of 16 (line %d)", line);
  mlc_exchange(&row, sizeof row, what, line);
  for (unsigned m = 0; m < count; m++) {
    r[m] = 0;
    for (unsigned half = 0; half < 2; half++) {
      unsigned i = lane / 4, j = lane % 4 * 2 + half, from = transposed ? j : i;
      const uint16_t *start = *(const uint16_t *const *)mlc_handed(8 * m + from);
      const uint16_t *element = start + (transposed ? i : j);
      mlc_touch(element, 2, 0, 0);
      r[m] |= (uint32_t)*element << (16 * half);
    }
  }
}
#define MLC_LDMATRIX(name, count, transposed)                                                   \
  MLC_DEVICE void name(uint32_t (&r)[count], const void *row, int line = __builtin_LINE()) {    \
    mlc_load_matrices(r, count, row, transposed, #name, line);                                  \
  }
MLC_LDMATRIX(mlc_ldmatrix_x4, 4, false)
MLC_LDMATRIX(mlc_ldmatrix_x4_trans, 4, true)
MLC_LDMATRIX(mlc_ldmatrix_x2, 2, false)
MLC_LDMATRIX(mlc_ldmatrix_x2_trans, 2, true)
#undef MLC_LDMATRIX

#define mlc_require(holds, what) mlc_require_at(holds, what, __LINE__)
MLC_UNWATCHED static void mlc_require_at(bool holds, const char *what, int line) {
  if (!holds) mlc_fail(2, "calls an intrinsic in vain (line %d): %s", line, what);
}

// d += a b for 64 x 16 and 16 x 64 by four warps: each thread reads what its part of d needs.
template <class Kind>
MLC_UNWATCHED static void mlc_wgmma(float *d, const void *a, unsigned a_along, unsigned a_across,
                                    const void *b, unsigned b_along, unsigned b_across, int line) {
  mlc_sync_lanes(line);
  const unsigned thread = mlc_current->number % 128, lane = thread % 32;
  for (unsigned e = 0; e < 32; e++) {
    unsigned row = thread / 32 * 16 + lane / 4 + e / 2 % 2 * 8, column = lane % 4 * 2 + e % 2 + e / 4 * 8;
    double sum = 0;
    for (unsigned k = 0; k < 16; k++) {
      const char *left = (const char *)a + row / 8 * a_across + k / 8 * a_along + row % 8 * 16 + k % 8 * 2;
      const char *right = (const char *)b + column / 8 * b_across + k / 8 * b_along + column % 8 * 16 + k % 8 * 2;
      mlc_touch(left, 2, 0, 0);
      mlc_touch(right, 2, 0, 0);
      sum += Kind::element(*(const uint16_t *)left, 0) * Kind::element(*(const uint16_t *)right, 0);
    }
    d[e] = (float)(d[e] + sum);
  }
}
#define MLC_WGMMA(name, kind)                                                                    \
  MLC_DEVICE void name(float (&d)[32], const void *a, unsigned a_along, unsigned a_across,       \
                       const void *b, unsigned b_along, unsigned b_across,                       \
                       int line = __builtin_LINE()) {                                            \
    mlc_wgmma<kind>(d, a, a_along, a_across, b, b_along, b_across, line);                        \
  }
MLC_WGMMA(mlc_wgmma_m64n64k16_f16, MlcHalves)
MLC_WGMMA(mlc_wgmma_m64n64k16_bf16, MlcBfloats)
#undef MLC_WGMMA
