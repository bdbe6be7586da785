// What a kernel on the processor and the emulator that runs it know of each other.
// No header of C++ is included: a small kernel compiles in a fraction of a second.
#pragma once
#include <stdint.h>
#include <string.h>

#define MLC_API extern "C" __attribute__((visibility("hidden")))

struct MlcIndex {
  unsigned x, y, z;
};

enum MlcState { MLC_READY, MLC_AT_WARP, MLC_AT_BARRIER, MLC_AT_MBARRIER, MLC_AT_CLUSTER, MLC_EXITED };
enum { MLC_SLOT_BYTES = 512, MLC_CP_ASYNC_MAX = 256 };

struct MlcCopy {  // one cp.async that nobody has waited for yet
  void *to;
  const void *from;
  uint16_t bytes, valid;
  uint32_t group;
};

// One CUDA thread: a fiber.
struct MlcThread {
  void *stack_pointer;
  MlcIndex index;
  MlcIndex block;        // which block of the grid it is one of
  unsigned char *pool;   // shared memory of that block
  uint32_t number, warp; // among those of all blocks that run at once: a cluster
  uint32_t rank, own;    // the number of its block in the cluster, and its own in the block
  int state, site;       // what it waits for, and at which line
  int place;             // which barrier of that line
  const char *what;      // the name of the warp operation it waits for
  uint32_t exchanges;    // how many warp operations it took part in
  uint32_t copies_begun, group;
  int copies;
  bool fenced;
  void *barrier;         // the mbarrier that it waits for
  MlcCopy copy[MLC_CP_ASYNC_MAX];
  alignas(16) unsigned char slot[2][MLC_SLOT_BYTES];  // what it hands to the lanes of its warp
};

// An array of which boxes are taken: as many bytes as a CUtensorMap. The first dimension is that of
// neighbours, strides (in bytes) are those of the others.
struct alignas(64) MlcBoxes {
  uint64_t address, shape[5], strides[4];
  uint32_t box[5], rank, itemsize;
};

// A place in the text that accesses shared memory: how often warps came there, how many turns of the
// banks that took, and how many there are at least. `key` is its address in the module, or its line
// with the highest bit set.
struct MlcSite {
  uint64_t key, accesses, turns, least;
  uint16_t bytes, is_write;
};
static const uint64_t MLC_LINE_MOST = 1 << 24;

// One launch, filled in by the caller.
struct MlcLaunch {
  const char *kernel;
  unsigned grid[3], block[3], cluster;  // so many blocks along x run at once
  uint64_t shared_bytes;
  int32_t order;         // 0 forward, 1 reverse, 2 pseudo-random
  int32_t checks;        // whether every access is looked at
  int32_t arrays;        // how many regions of memory the kernel may touch
  int32_t message_bytes;
  void *const *addresses;
  const uint64_t *sizes;
  const char *const *names;
  char *message;         // what went wrong
  int32_t finding;       // 1 out of bounds, 2 anything else
  int32_t site_room, sites_found;
  MlcSite *sites;        // null: nothing is counted
};

MLC_API MlcThread *mlc_current;
MLC_API MlcIndex mlc_block_index, mlc_block_extent, mlc_grid_extent;
MLC_API unsigned char *mlc_shared_pool;

typedef void (*MlcKernel)(void **arguments);
MLC_API int mlc_run(MlcLaunch *launch, MlcKernel kernel, void **arguments);

// Called by kernels.
// `place` tells barriers of one line apart.
MLC_API void mlc_barrier_at(int line, int place = 0);
MLC_API void mlc_barrier_of_at(unsigned count, int line);
MLC_API void mlc_cluster_barrier_at(int line);
// The same place in shared memory of another block of the cluster.
MLC_API const void *mlc_in_block(const void *place, unsigned rank);
MLC_API void mlc_fence();
// Hands `bytes` bytes to all lanes of the warp, and returns once all have arrived.
// What a lane handed over is then at mlc_handed(lane), until the next operation.
MLC_API void mlc_exchange(const void *mine, unsigned bytes, const char *what, int line);
MLC_API const void *mlc_handed(unsigned lane);
MLC_API void mlc_sync_lanes(int line);
MLC_API void mlc_touch(const void *address, uint64_t bytes, int is_write, int is_atomic);
MLC_API void mlc_count_shared(const void *address, unsigned bytes, int is_write, int line);
MLC_API void mlc_copy_later(void *to, const void *from, unsigned bytes, unsigned valid, int line);
MLC_API void mlc_copies_commit();
MLC_API void mlc_copies_wait(unsigned pending);
MLC_API void mlc_fail(int finding, const char *format, ...);
MLC_API void mlc_mbarrier_begin(const uint64_t *barrier, unsigned count, unsigned number, const char *what);
MLC_API void mlc_mbarrier_arrive(const uint64_t *barrier, unsigned bytes);
MLC_API void mlc_mbarrier_wait(const uint64_t *barrier, unsigned parity, int line);
MLC_API void mlc_box_later(const void *to, const MlcBoxes *from, const uint64_t *slot, const int *at,
                           unsigned rank);
