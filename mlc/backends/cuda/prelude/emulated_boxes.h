// Boxes of arrays and the slots that they fill, on the processor: what boxes.cuh declares.
#pragma once

#define __grid_constant__
#define MLC_CLUSTER(blocks)
#define mlc_cluster_barrier() mlc_cluster_barrier_at(__LINE__)

MLC_DEVICE const uint64_t *mlc_at_block(const uint64_t *barrier, unsigned rank) {
  return (const uint64_t *)mlc_in_block(barrier, rank);
}

template <unsigned count, unsigned blocks = 1>
MLC_DEVICE void mlc_slots_begin(const uint64_t *slots, unsigned warps) {
  if (mlc_current->own != 0) return;
  for (unsigned n = 0; n < count; n++) mlc_mbarrier_begin(slots + n, 1, n, "is filled");
  for (unsigned n = 0; n < count; n++) mlc_mbarrier_begin(slots + count + n, blocks * warps, n, "is free");
}
template <unsigned count, unsigned blocks = 1>
MLC_DEVICE const uint64_t *mlc_slot_fill(const uint64_t *slots, unsigned i, unsigned bytes,
                                         int line = __builtin_LINE()) {
  const uint64_t *slot = slots + i % count;
  if (i >= count) mlc_mbarrier_wait(slot + count, (i / count - 1) % 2, line);
  mlc_mbarrier_arrive(slot, bytes);
  return slot;
}
template <unsigned count, unsigned = 1>
MLC_DEVICE void mlc_slot_wait(const uint64_t *slots, unsigned i, int line = __builtin_LINE()) {
  mlc_mbarrier_wait(slots + i % count, i / count % 2, line);
  mlc_sync_lanes(line);
}
template <unsigned count, unsigned blocks = 1>
MLC_DEVICE void mlc_slot_leave(const uint64_t *slots, unsigned i, int line = __builtin_LINE()) {
  mlc_sync_lanes(line);
  const uint64_t *free = slots + count + i % count;
  if (mlc_lane() < blocks) mlc_mbarrier_arrive(blocks > 1 ? mlc_at_block(free, mlc_lane()) : free, 0);
}
template <unsigned blocks = 1, class... At>
MLC_DEVICE void mlc_load_box(const void *to, const MlcBoxes &from, const uint64_t *slot, At... at) {
  const int place[] = {at...};
  if (blocks == 1) return mlc_box_later(to, &from, slot, place, sizeof...(at));
  for (unsigned n = 0; n < blocks; n++)
    mlc_box_later(mlc_in_block(to, n), &from, mlc_at_block(slot, n), place, sizeof...(at));
}

// d += a b from boxes: the address of an element tells where in its row of 128 bytes it is.
MLC_UNWATCHED static double mlc_half_of(const char *at) { return MlcHalves::element(*(const uint16_t *)at, 0); }
MLC_UNWATCHED static double mlc_bfloat_of(const char *at) { return MlcBfloats::element(*(const uint16_t *)at, 0); }
template <double (*value)(const char *)>
MLC_UNWATCHED static double mlc_in_box(const void *start, unsigned across, bool turned, unsigned row,
                                       unsigned k) {
  uint64_t at = (uint64_t)start;
  at += turned ? row / 64 * across + k / 8 * 1024 + k % 8 * 128 + row % 64 * 2
               : row / 8 * 1024 + row % 8 * 128 + k * 2;
  at ^= (at >> 7 & 7) << 4;
  mlc_touch((const void *)at, 2, 0, 0);
  return value((const char *)at);
}
MLC_UNWATCHED static void mlc_require_boxes(const void *start, bool turned, int line) {
  if ((uint64_t)start % 1024 >= (turned ? 1 : 128))
    mlc_fail(2, "multiplies boxes that begin at no multiple of 1024 bytes (line %d)", line);
}
template <double (*value)(const char *), unsigned count, bool is_held, bool a_turned, bool b_turned>
MLC_UNWATCHED static void mlc_boxes_run(const MlcProduct &p) {
  const unsigned thread = mlc_current->number % 128, lane = thread % 32;
  for (unsigned e = 0; e < count; e++) {
    unsigned row = thread / 32 * 16 + lane / 4 + e / 2 % 2 * 8, column = lane % 4 * 2 + e % 2 + e / 4 * 8;
    double sum = 0;
    for (unsigned k = 0; k < 16; k++)
      sum += (is_held ? p.left[e / 2 % 2][k] : mlc_in_box<value>(p.a, p.a_across, a_turned, row, k)) *
             mlc_in_box<value>(p.b, p.b_across, b_turned, column, k);
    p.d[e] = (float)(p.anew ? sum : p.d[e] + sum);
  }
}
template <double (*value)(const char *), unsigned count, bool a_turned, bool b_turned>
MLC_UNWATCHED static void mlc_wgmma_boxes(float *d, const void *a, unsigned a_across, const void *b,
                                          unsigned b_across, int line) {
  mlc_require_boxes(a, a_turned, line);
  mlc_require_boxes(b, b_turned, line);
  MlcProduct &made = mlc_product_later(line);
  made.run = mlc_boxes_run<value, count, false, a_turned, b_turned>, made.d = d;
  made.a = (const char *)a, made.a_across = a_across, made.b = (const char *)b, made.b_across = b_across;
}
template <double (*value)(const char *), unsigned count, bool turned>
MLC_UNWATCHED static void mlc_wgmma_held(float *d, const uint32_t (&a)[4], const void *b,
                                         unsigned b_across, bool anew, int line) {
  mlc_require_boxes(b, turned, line);
  MlcProduct &made = mlc_product_later(line);
  made.run = mlc_boxes_run<value, count, true, false, turned>, made.d = d;
  made.b = (const char *)b, made.b_across = b_across, made.anew = anew;
  mlc_exchange(a, sizeof a, "a product of a held operand", line);
  for (unsigned half = 0; half < 2; half++)
    for (unsigned k = 0; k < 16; k++) {
      const uint32_t *held = (const uint32_t *)mlc_handed(mlc_lane() / 4 * 4 + k % 8 / 2);
      const uint16_t element = (uint16_t)(held[half + k / 8 * 2] >> k % 2 * 16);
      made.left[half][k] = value((const char *)&element);
    }
}
MLC_DEVICE void mlc_wgmma_begin_boxes() {}
#define MLC_WGMMA_BOXES(name, value, count)                                                     \
  template <bool a_turned, bool b_turned>                                                       \
  MLC_DEVICE void name(float (&d)[count], const void *a, unsigned a_across, const void *b,      \
                       unsigned b_across, int line = __builtin_LINE()) {                        \
    mlc_wgmma_boxes<value, count, a_turned, b_turned>(d, a, a_across, b, b_across, line);       \
  }
#define MLC_WGMMA_HELD(name, value, count)                                                      \
  template <bool turned, bool anew>                                                             \
  MLC_DEVICE void name(float (&d)[count], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,   \
                       const void *b, unsigned b_across, int line = __builtin_LINE()) {         \
    const uint32_t left[4] = {a0, a1, a2, a3};                                                  \
    mlc_wgmma_held<value, count, turned>(d, left, b, b_across, anew, line);                     \
  }
MLC_WGMMA_BOXES(mlc_wgmma_boxes_m64n64k16_f16, mlc_half_of, 32)
MLC_WGMMA_BOXES(mlc_wgmma_boxes_m64n64k16_bf16, mlc_bfloat_of, 32)
MLC_WGMMA_BOXES(mlc_wgmma_boxes_m64n128k16_f16, mlc_half_of, 64)
MLC_WGMMA_BOXES(mlc_wgmma_boxes_m64n128k16_bf16, mlc_bfloat_of, 64)
MLC_WGMMA_BOXES(mlc_wgmma_boxes_m64n256k16_f16, mlc_half_of, 128)
MLC_WGMMA_BOXES(mlc_wgmma_boxes_m64n256k16_bf16, mlc_bfloat_of, 128)
MLC_WGMMA_HELD(mlc_wgmma_held_m64n64k16_f16, mlc_half_of, 32)
MLC_WGMMA_HELD(mlc_wgmma_held_m64n64k16_bf16, mlc_bfloat_of, 32)
MLC_WGMMA_HELD(mlc_wgmma_held_m64n128k16_f16, mlc_half_of, 64)
MLC_WGMMA_HELD(mlc_wgmma_held_m64n128k16_bf16, mlc_bfloat_of, 64)
MLC_WGMMA_HELD(mlc_wgmma_held_m64n256k16_f16, mlc_half_of, 128)
MLC_WGMMA_HELD(mlc_wgmma_held_m64n256k16_bf16, mlc_bfloat_of, 128)
#undef MLC_WGMMA_BOXES
#undef MLC_WGMMA_HELD
