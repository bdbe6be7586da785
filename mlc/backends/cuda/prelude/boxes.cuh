// Boxes of arrays into shared memory, by Hopper's tensor memory accelerator, and the slots that they
// fill in turns. Slot n of `count` has two mbarriers: slots[n] is passed once its boxes are there,
// slots[count + n] once all warps of the block have left it. Iteration i uses slot i % count. Where a
// cluster of `blocks` has boxes in common, each waits until the warps of all have left its slot.

struct alignas(64) MlcBoxes {  // a CUtensorMap
  uint64_t opaque[16];
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define MLC_CLUSTER(blocks) __cluster_dims__(blocks, 1, 1)
// Of all threads of a cluster, whose blocks see what was written before.
MLC_DEVICE void mlc_cluster_barrier() {
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
}
// A barrier of the block must follow. What threads wrote before comes before what boxes write.
template <unsigned count, unsigned blocks = 1>
MLC_DEVICE void mlc_slots_begin(const uint64_t *slots, unsigned warps) {
  if (threadIdx.x + threadIdx.y + threadIdx.z == 0) {
    for (unsigned n = 0; n < 2 * count; n++)
      asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::
                   "r"(mlc_shared_address(slots + n)), "r"(n < count ? 1u : blocks * warps) : "memory");
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
template <unsigned count, unsigned = 1>
MLC_DEVICE const uint64_t *mlc_slot_fill(const uint64_t *slots, unsigned i, unsigned bytes) {
  const uint64_t *slot = slots + i % count;
  if (i >= count) mlc_mbarrier_wait(slot + count, (i / count - 1) % 2);
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::
               "r"(mlc_shared_address(slot)), "r"(bytes) : "memory");
  return slot;
}
template <unsigned count, unsigned = 1>
MLC_DEVICE void mlc_slot_wait(const uint64_t *slots, unsigned i) {
  mlc_mbarrier_wait(slots + i % count, i / count % 2);
  __syncwarp();
}
// Products have read the slot by then, and nothing was written: no fence of the cluster is needed.
template <unsigned count, unsigned blocks = 1>
MLC_DEVICE void mlc_slot_leave(const uint64_t *slots, unsigned i) {
  __syncwarp();
  const unsigned slot = mlc_shared_address(slots + count + i % count);
  if (blocks > 1) {
    if (mlc_lane() < blocks)
      asm volatile("{\n.reg .b32 there;\nmapa.shared::cluster.u32 there, %0, %1;\n"
                   "mbarrier.arrive.shared::cluster.b64 _, [there];\n}\n" ::
                   "r"(slot), "r"(mlc_lane()) : "memory");
  } else if (mlc_lane() == 0) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(slot) : "memory");
  }
}
// With `blocks`, to the same place of each of them: `slot` of each is told of its bytes.
#define MLC_LOAD_BOX(rank, coordinates, ...)                                                    \
  if (blocks > 1)                                                                               \
    asm volatile("cp.async.bulk.tensor." rank ".shared::cluster.global.mbarrier::complete_tx::bytes" \
                 ".multicast::cluster [%0], [%1, {" coordinates "}], [%2], %3;" ::              \
                 "r"(mlc_shared_address(to)), "l"(&from), "r"(mlc_shared_address(slot)),        \
                 "h"((uint16_t)((1u << blocks) - 1)), __VA_ARGS__ : "memory");                  \
  else                                                                                          \
    asm volatile("cp.async.bulk.tensor." rank ".shared::cluster.global.mbarrier::complete_tx::bytes " \
                 "[%0], [%1, {" coordinates "}], [%2];" ::                                      \
                 "r"(mlc_shared_address(to)), "l"(&from), "r"(mlc_shared_address(slot)),        \
                 "h"((uint16_t)0), __VA_ARGS__ : "memory")
template <unsigned blocks = 1>
MLC_DEVICE void mlc_load_box(const void *to, const MlcBoxes &from, const uint64_t *slot, int a, int b) {
  MLC_LOAD_BOX("2d", "%4, %5", "r"(a), "r"(b));
}
template <unsigned blocks = 1>
MLC_DEVICE void mlc_load_box(const void *to, const MlcBoxes &from, const uint64_t *slot, int a, int b,
                             int c) {
  MLC_LOAD_BOX("3d", "%4, %5, %6", "r"(a), "r"(b), "r"(c));
}
template <unsigned blocks = 1>
MLC_DEVICE void mlc_load_box(const void *to, const MlcBoxes &from, const uint64_t *slot, int a, int b,
                             int c, int d) {
  MLC_LOAD_BOX("4d", "%4, %5, %6, %7", "r"(a), "r"(b), "r"(c), "r"(d));
}
template <unsigned blocks = 1>
MLC_DEVICE void mlc_load_box(const void *to, const MlcBoxes &from, const uint64_t *slot, int a, int b,
                             int c, int d, int e) {
  MLC_LOAD_BOX("5d", "%4, %5, %6, %7, %8", "r"(a), "r"(b), "r"(c), "r"(d), "r"(e));
}
#undef MLC_LOAD_BOX
#else  // other cards have none: a kernel with boxes ends with an error there
#define MLC_CLUSTER(blocks)
MLC_DEVICE void mlc_cluster_barrier() {}
template <unsigned count, unsigned = 1>
MLC_DEVICE void mlc_slots_begin(const uint64_t *, unsigned) {
  asm volatile("trap;");
}
template <unsigned count, unsigned = 1>
MLC_DEVICE const uint64_t *mlc_slot_fill(const uint64_t *slots, unsigned, unsigned) {
  return slots;
}
template <unsigned count, unsigned = 1>
MLC_DEVICE void mlc_slot_wait(const uint64_t *, unsigned) {}
template <unsigned count, unsigned = 1>
MLC_DEVICE void mlc_slot_leave(const uint64_t *, unsigned) {}
template <unsigned = 1, class... At>
MLC_DEVICE void mlc_load_box(const void *, const MlcBoxes &, const uint64_t *, At...) {}
#endif
