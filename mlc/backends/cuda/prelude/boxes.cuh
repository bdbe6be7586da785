// Boxes of arrays into shared memory, by Hopper's tensor memory accelerator, and the slots that they
// fill in turns. Slot n of `count` has two mbarriers: slots[n] is passed once its boxes are there,
// slots[count + n] once all warps of the block have left it. Iteration i uses slot i % count.

struct alignas(64) MlcBoxes {  // a CUtensorMap
  uint64_t opaque[16];
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
// A barrier of the block must follow. What threads wrote before comes before what boxes write.
template <unsigned count>
MLC_DEVICE void mlc_slots_begin(const uint64_t *slots, unsigned warps) {
  if (threadIdx.x + threadIdx.y + threadIdx.z == 0) {
    for (unsigned n = 0; n < 2 * count; n++)
      asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::
                   "r"(mlc_shared_address(slots + n)), "r"(n < count ? 1u : warps) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  asm volatile("fence.proxy.async;" ::: "memory");
}
MLC_DEVICE void mlc_mbarrier_wait(const uint64_t *barrier, unsigned parity) {
  unsigned done = 0;
  while (!done)
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
                 "selp.u32 %0, 1, 0, p;\n}\n"
                 : "=r"(done) : "r"(mlc_shared_address(barrier)), "r"(parity) : "memory");
}
// Done by one thread: waits until the slot is free, and says how many bytes will come.
template <unsigned count>
MLC_DEVICE const uint64_t *mlc_slot_fill(const uint64_t *slots, unsigned i, unsigned bytes) {
  const uint64_t *slot = slots + i % count;
  if (i >= count) mlc_mbarrier_wait(slot + count, (i / count - 1) % 2);
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::
               "r"(mlc_shared_address(slot)), "r"(bytes) : "memory");
  return slot;
}
template <unsigned count>
MLC_DEVICE void mlc_slot_wait(const uint64_t *slots, unsigned i) {
  mlc_mbarrier_wait(slots + i % count, i / count % 2);
  __syncwarp();
}
template <unsigned count>
MLC_DEVICE void mlc_slot_leave(const uint64_t *slots, unsigned i) {
  __syncwarp();
  if (mlc_lane() == 0)
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::
                 "r"(mlc_shared_address(slots + count + i % count)) : "memory");
}
#define MLC_LOAD_BOX(rank, coordinates, ...)                                                    \
  asm volatile("cp.async.bulk.tensor." rank ".shared::cluster.global.mbarrier::complete_tx::bytes " \
               "[%0], [%1, {" coordinates "}], [%2];" ::                                        \
               "r"(mlc_shared_address(to)), "l"(&from), "r"(mlc_shared_address(slot)), __VA_ARGS__ : "memory")
MLC_DEVICE void mlc_load_box(const void *to, const MlcBoxes &from, const uint64_t *slot, int a, int b) {
  MLC_LOAD_BOX("2d", "%3, %4", "r"(a), "r"(b));
}
MLC_DEVICE void mlc_load_box(const void *to, const MlcBoxes &from, const uint64_t *slot, int a, int b,
                             int c) {
  MLC_LOAD_BOX("3d", "%3, %4, %5", "r"(a), "r"(b), "r"(c));
}
MLC_DEVICE void mlc_load_box(const void *to, const MlcBoxes &from, const uint64_t *slot, int a, int b,
                             int c, int d) {
  MLC_LOAD_BOX("4d", "%3, %4, %5, %6", "r"(a), "r"(b), "r"(c), "r"(d));
}
MLC_DEVICE void mlc_load_box(const void *to, const MlcBoxes &from, const uint64_t *slot, int a, int b,
                             int c, int d, int e) {
  MLC_LOAD_BOX("5d", "%3, %4, %5, %6, %7", "r"(a), "r"(b), "r"(c), "r"(d), "r"(e));
}
#undef MLC_LOAD_BOX
#else  // other cards have none: a kernel with boxes ends with an error there
template <unsigned count>
MLC_DEVICE void mlc_slots_begin(const uint64_t *, unsigned) {
  asm volatile("trap;");
}
template <unsigned count>
MLC_DEVICE const uint64_t *mlc_slot_fill(const uint64_t *slots, unsigned, unsigned) {
  return slots;
}
template <unsigned count>
MLC_DEVICE void mlc_slot_wait(const uint64_t *, unsigned) {}
template <unsigned count>
MLC_DEVICE void mlc_slot_leave(const uint64_t *, unsigned) {}
template <class... At>
MLC_DEVICE void mlc_load_box(const void *, const MlcBoxes &, const uint64_t *, At...) {}
#endif
