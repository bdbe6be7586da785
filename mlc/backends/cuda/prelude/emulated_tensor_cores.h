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

MLC_DEVICE float mlc_exp2_near(float x) { return exp2f(x); }
MLC_DEVICE uint32_t mlc_pair_float16(float low, float high) {
  return (uint32_t)mlc_half_bits(high) << 16 | mlc_half_bits(low);
}
MLC_DEVICE uint32_t mlc_pair_bfloat16(float low, float high) {
  return (uint32_t)mlc_bfloat16_bits(high) << 16 | mlc_bfloat16_bits(low);
}

MLC_UNWATCHED static void mlc_load_matrices(uint32_t *r, unsigned count, const void *row,
                                            bool transposed, const char *what, int line) {
  unsigned lane = mlc_lane();
  if (lane < 8 * count && (uint64_t)row % 16)
    mlc_fail(2, "loads a row of a matrix whose address is no multiple of 16 (line %d)", line);
  if (lane < 8 * count) mlc_count_shared(row, 16, 0, line);
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

// d += a b for 64 x 16 and 16 x 64 (128, 256) by four warps: each thread reads what its part of d needs.
// That is done when somebody waits for it and no sooner, so that a wait that is missing is seen.
struct MlcProduct {
  void (*run)(const MlcProduct &);
  float *d;
  const char *a, *b;
  unsigned a_along, a_across, b_along, b_across, group;
  bool anew;           // d = a b
  double left[2][16];  // two rows of an operand in registers
};
enum { MLC_PRODUCTS = 64, MLC_MOST_THREADS = 1024 };
struct MlcProducts {
  MlcIndex block;  // whose thread these are of
  unsigned count, group;
  MlcProduct each[MLC_PRODUCTS];
};
static MlcProducts mlc_products[MLC_MOST_THREADS];
MLC_UNWATCHED static MlcProducts &mlc_products_of_thread() {
  MlcProducts &mine = mlc_products[mlc_current->number];
  const MlcIndex &now = mlc_block_index, &then = mine.block;
  if (now.x != then.x || now.y != then.y || now.z != then.z) mine.block = now, mine.count = mine.group = 0;
  return mine;
}
MLC_UNWATCHED static MlcProduct &mlc_product_later(int line) {
  mlc_sync_lanes(line);
  MlcProducts &mine = mlc_products_of_thread();
  if (mine.count == MLC_PRODUCTS) mlc_fail(2, "has more products under way than the emulator keeps (line %d)", line);
  MlcProduct &made = mine.each[mine.count++];
  made.group = mine.group, made.anew = false;
  return made;
}
MLC_DEVICE void mlc_wgmma_begin() {}
MLC_DEVICE void mlc_wgmma_commit() { mlc_products_of_thread().group++; }
MLC_UNWATCHED static void mlc_products_wait(unsigned pending, int line) {
  mlc_sync_lanes(line);
  MlcProducts &mine = mlc_products_of_thread();
  unsigned kept = 0;
  for (unsigned n = 0; n < mine.count; n++) {
    MlcProduct &each = mine.each[n];
    if (each.group + pending < mine.group) each.run(each);
    else mine.each[kept++] = each;
  }
  mine.count = kept;
}
template <unsigned pending>
MLC_DEVICE void mlc_wgmma_wait(int line = __builtin_LINE()) { mlc_products_wait(pending, line); }
template <class T>
MLC_DEVICE void mlc_wgmma_done(T &held) { asm volatile("" : : "r"(&held) : "memory"); }
template <class Kind, unsigned count>
MLC_UNWATCHED static void mlc_wgmma_run(const MlcProduct &p) {
  const unsigned thread = mlc_current->number % 128, lane = thread % 32;
  for (unsigned e = 0; e < count; e++) {
    unsigned row = thread / 32 * 16 + lane / 4 + e / 2 % 2 * 8, column = lane % 4 * 2 + e % 2 + e / 4 * 8;
    double sum = 0;
    for (unsigned k = 0; k < 16; k++) {
      const char *left = p.a + row / 8 * p.a_across + k / 8 * p.a_along + row % 8 * 16 + k % 8 * 2;
      const char *right = p.b + column / 8 * p.b_across + k / 8 * p.b_along + column % 8 * 16 + k % 8 * 2;
      mlc_touch(left, 2, 0, 0);
      mlc_touch(right, 2, 0, 0);
      sum += Kind::element(*(const uint16_t *)left, 0) * Kind::element(*(const uint16_t *)right, 0);
    }
    p.d[e] = (float)(p.d[e] + sum);
  }
}
template <class Kind, unsigned count>
MLC_UNWATCHED static void mlc_wgmma(float *d, const void *a, unsigned a_along, unsigned a_across,
                                    const void *b, unsigned b_along, unsigned b_across, int line) {
  MlcProduct &made = mlc_product_later(line);
  made.run = mlc_wgmma_run<Kind, count>, made.d = d;
  made.a = (const char *)a, made.a_along = a_along, made.a_across = a_across;
  made.b = (const char *)b, made.b_along = b_along, made.b_across = b_across;
}
#define MLC_WGMMA(name, kind, count)                                                             \
  MLC_DEVICE void name(float (&d)[count], const void *a, unsigned a_along, unsigned a_across,    \
                       const void *b, unsigned b_along, unsigned b_across,                       \
                       int line = __builtin_LINE()) {                                            \
    mlc_wgmma<kind, count>(d, a, a_along, a_across, b, b_along, b_across, line);                 \
  }
MLC_WGMMA(mlc_wgmma_m64n64k16_f16, MlcHalves, 32)
MLC_WGMMA(mlc_wgmma_m64n64k16_bf16, MlcBfloats, 32)
MLC_WGMMA(mlc_wgmma_m64n128k16_f16, MlcHalves, 64)
MLC_WGMMA(mlc_wgmma_m64n128k16_bf16, MlcBfloats, 64)
MLC_WGMMA(mlc_wgmma_m64n256k16_f16, MlcHalves, 128)
MLC_WGMMA(mlc_wgmma_m64n256k16_bf16, MlcBfloats, 128)
#undef MLC_WGMMA

// wmma, by a layout of our own, since that of a card is nobody's business: lane l has elements
// 8 l % 256 and on, of a tile that is row major, and those of 16 bits twice where it has room for it.
template <unsigned count>
MLC_UNWATCHED static void mlc_wmma_load(uint32_t (&r)[count], const void *tile, unsigned step,
                                        bool turned, const char *what, int line) {
  mlc_sync_lanes(line);
  if ((uint64_t)tile % 32) mlc_fail(2, "%s takes a tile whose address is no multiple of 32 (line %d)", what, line);
  if (step % 8) mlc_fail(2, "%s takes rows that are no multiple of 16 bytes apart (line %d)", what, line);
  const uint16_t *from = (const uint16_t *)tile;
  uint16_t *held = (uint16_t *)r;
  for (unsigned e = 0; e < 2 * count; e++) {
    unsigned place = mlc_lane() * 8 + e % 8, i = place / 16, j = place % 16;
    const uint16_t *element = from + (turned ? j * step + i : i * step + j);
    mlc_touch(element, 2, 0, 0);
    held[e] = *element;
  }
}
template <class Kind, unsigned count>
MLC_UNWATCHED static void mlc_wmma(float (&d)[8], const uint32_t (&a)[count], const uint32_t (&b)[count],
                                   const char *what, int line) {
  uint32_t mine[8] = {a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]};
  mlc_exchange(mine, sizeof mine, what, line);
  for (unsigned e = 0; e < 8; e++) {
    unsigned place = mlc_lane() * 8 + e, i = place / 16, j = place % 16;
    double sum = 0;
    for (unsigned k = 0; k < 16; k++) {
      unsigned left = i * 16 + k, right = k * 16 + j;
      const uint16_t *x = (const uint16_t *)mlc_handed(left / 8), *y = (const uint16_t *)mlc_handed(right / 8);
      sum += Kind::element(x[left % 8], 0) * Kind::element(y[8 + right % 8], 0);
    }
    d[e] = (float)(d[e] + sum);
  }
}
MLC_UNWATCHED static void mlc_wmma_store_at(float *tile, const float *d, unsigned step, int line) {
  mlc_sync_lanes(line);
  if ((uint64_t)tile % 32) mlc_fail(2, "stores a tile whose address is no multiple of 32 (line %d)", line);
  if (step % 4) mlc_fail(2, "stores rows that are no multiple of 16 bytes apart (line %d)", line);
  for (unsigned e = 0; e < 8; e++) {
    unsigned place = mlc_lane() * 8 + e;
    float *element = tile + place / 16 * step + place % 16;
    mlc_touch(element, 4, 1, 0);
    *element = d[e];
  }
}
MLC_DEVICE void mlc_wmma_store(float *tile, const float (&d)[8], unsigned step, int line = __builtin_LINE()) {
  mlc_wmma_store_at(tile, d, step, line);
}
#define MLC_WMMA_LOAD(name, count, turned)                                                      \
  MLC_DEVICE void name(uint32_t (&r)[count], const void *tile, unsigned step,                   \
                       int line = __builtin_LINE()) {                                           \
    mlc_wmma_load(r, tile, step, turned, #name, line);                                          \
  }
#define MLC_WMMA(name, kind, count)                                                             \
  MLC_DEVICE void name(float (&d)[8], const uint32_t (&a)[count], const uint32_t (&b)[count],   \
                       int line = __builtin_LINE()) {                                           \
    mlc_wmma<kind>(d, a, b, #name, line);                                                       \
  }
#define MLC_WMMAS(type, kind, count)                                                            \
  MLC_WMMA_LOAD(mlc_wmma_load_a_row_##type, count, false)                                       \
  MLC_WMMA_LOAD(mlc_wmma_load_a_col_##type, count, true)                                        \
  MLC_WMMA_LOAD(mlc_wmma_load_b_row_##type, count, false)                                       \
  MLC_WMMA_LOAD(mlc_wmma_load_b_col_##type, count, true)                                        \
  MLC_WMMA(mlc_wmma_row_row_##type, kind, count)                                                \
  MLC_WMMA(mlc_wmma_row_col_##type, kind, count)                                                \
  MLC_WMMA(mlc_wmma_col_row_##type, kind, count)                                                \
  MLC_WMMA(mlc_wmma_col_col_##type, kind, count)
MLC_WMMAS(f16, MlcHalves, 8)
MLC_WMMAS(bf16, MlcBfloats, 4)
#undef MLC_WMMAS
#undef MLC_WMMA
#undef MLC_WMMA_LOAD
