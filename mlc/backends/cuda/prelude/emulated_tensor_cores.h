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
