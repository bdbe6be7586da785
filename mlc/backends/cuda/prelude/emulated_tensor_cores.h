// Tensor cores by the processor: each lane hands its registers to the others of its warp, and
// computes its own part of the result.
#pragma once

struct MlcFragments {
  uint32_t a[4], b[2];
};
template <class Small>
MLC_UNWATCHED static float mlc_element(uint32_t word, unsigned half) {
  Small value;
  value.bits = (uint16_t)(word >> (16 * half));
  return float(value);
}
template <class Small>
MLC_UNWATCHED static void mlc_mma_m16n8k16(float *d, const uint32_t *a, const uint32_t *b,
                                           const char *what, int line) {
  MlcFragments mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  mlc_exchange(&mine, sizeof mine, what, line);
  unsigned lane = mlc_lane();
  for (unsigned n = 0; n < 4; n++) {
    unsigned row = lane / 4 + n / 2 * 8, column = lane % 4 * 2 + n % 2;
    double sum = 0.0;
    for (unsigned k = 0; k < 16; k++) {
      const MlcFragments *left = (const MlcFragments *)mlc_handed(row % 8 * 4 + k % 8 / 2);
      const MlcFragments *right = (const MlcFragments *)mlc_handed(column * 4 + k % 8 / 2);
      sum += (double)mlc_element<Small>(left->a[row / 8 + k / 8 * 2], k % 2) *
             mlc_element<Small>(right->b[k / 8], k % 2);
    }
    d[n] = (float)(d[n] + sum);
  }
}
MLC_DEVICE void mlc_mma_m16n8k16_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                     int line = __builtin_LINE()) {
  mlc_mma_m16n8k16<mlc_half>(d, a, b, "mlc_mma_m16n8k16_f16", line);
}
MLC_DEVICE void mlc_mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                      int line = __builtin_LINE()) {
  mlc_mma_m16n8k16<mlc_bfloat16>(d, a, b, "mlc_mma_m16n8k16_bf16", line);
}

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
