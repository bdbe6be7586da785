// CUDA threads as fibers on one thread of the processor: a scheduler that runs the lanes of a warp
// to their next warp operation and the warps to their next barrier, and checks of every access.
#include "emulator.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

enum { MAX_THREADS = 1024, WARP = 32, MAX_REGIONS = 512, SHARED = 3, MAX_BLOCKS = 8 };
// Not a power of two: the tops of the stacks would share their cache sets.
static const uint64_t STACK_BYTES = 256 * 1024 + 4096 + 192;

MlcThread *mlc_current;
MlcIndex mlc_block_index, mlc_block_extent, mlc_grid_extent;
unsigned char *mlc_shared_pool;

// One of the last accesses to a granule of four bytes.
struct Access {
  uint32_t time;
  uint16_t thread;
  uint8_t bytes;  // which of the four
  uint8_t atomic;
};
struct Granule {
  Access write, read, other_read;  // two readers suffice: a writer differs from one of them
};
struct Region {
  uint64_t low, high, base;
  const char *name;
  Granule *granules;  // null: only the bounds are checked
  bool is_shared;
};

static MlcLaunch *launch;
static MlcThread *threads;
static unsigned char *stacks;
static Region regions[MAX_REGIONS];
static int n_regions, last_region;
static void *scheduler_stack;
static bool failed, checking, open_bounds;
static MlcKernel the_kernel;
static void **the_arguments;
static unsigned n_threads, n_warps, n_blocks;  // of blocks that run at once; threads of one of them
static uint64_t pool_bytes;                    // from the pool of one of them to the next
// A clock that ticks at every synchronisation. Of two accesses by different threads one comes
// first for sure only if a synchronisation of both lies between them.
static uint32_t now, block_began, last_cluster_barrier, last_fence;
static uint32_t last_barrier[MAX_BLOCKS], warp_synced[MAX_THREADS / WARP];
static uint32_t reached[MAX_BLOCKS][MAX_THREADS];  // when a thread of another block last used it

extern char __ehdr_start __attribute__((visibility("hidden")));
extern char _end __attribute__((visibility("hidden")));

// ---- fibers -------------------------------------------------------------------------------------

static void fiber_main();

#if defined(__x86_64__)
asm(R"(
.text
.hidden mlc_switch
.globl mlc_switch
.type mlc_switch,@function
mlc_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size mlc_switch,.-mlc_switch
)");
static void *new_stack(unsigned char *top) {
  void **stack = (void **)((uint64_t)top & ~(uint64_t)15);
  *--stack = 0;
  *--stack = (void *)fiber_main;
  for (int i = 0; i < 6; i++) *--stack = 0;
  return stack;
}
#elif defined(__aarch64__)
asm(R"(
.text
.hidden mlc_switch
.globl mlc_switch
.type mlc_switch,%function
mlc_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size mlc_switch,.-mlc_switch
)");
static void *new_stack(unsigned char *top) {
  void **stack = (void **)((uint64_t)top & ~(uint64_t)15) - 20;
  memset(stack, 0, 160);
  stack[11] = (void *)fiber_main;
  return stack;
}
#else
static ucontext_t contexts[MAX_THREADS + 1];
static void *new_stack(unsigned char *top) {
  unsigned number = (unsigned)((top - stacks) / STACK_BYTES) - 1;
  ucontext_t *made = &contexts[number];
  getcontext(made);
  made->uc_stack.ss_sp = top - STACK_BYTES;
  made->uc_stack.ss_size = STACK_BYTES;
  makecontext(made, fiber_main, 0);
  return made;
}
extern "C" __attribute__((visibility("hidden"))) void mlc_switch(void **from, void *to) {
  if (from == &scheduler_stack) *from = &contexts[MAX_THREADS];
  swapcontext((ucontext_t *)*from, (ucontext_t *)to);
}
#endif
extern "C" __attribute__((visibility("hidden"))) void mlc_switch(void **from, void *to);

static void back_to_scheduler() { mlc_switch(&mlc_current->stack_pointer, scheduler_stack); }

static void fiber_main() {
  the_kernel(the_arguments);
  mlc_current->state = MLC_EXITED;
  back_to_scheduler();
  abort();
}

// ---- findings -----------------------------------------------------------------------------------

static int where(char *text, int room, const MlcThread *t) {
  return snprintf(text, room, "thread (%u, %u, %u) of block (%u, %u, %u)", t->index.x, t->index.y,
                  t->index.z, t->block.x, t->block.y, t->block.z);
}

static void note(int finding, const char *text) {
  if (failed) return;
  failed = true;
  launch->finding = finding;
  snprintf(launch->message, launch->message_bytes, "%s", text);
}

// Ends the launch: the fiber that failed never runs again.
void mlc_fail(int finding, const char *format, ...) {
  char text[512], place[128];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  where(place, sizeof place, mlc_current);
  char whole[700];
  snprintf(whole, sizeof whole, "%s %s", place, text);
  note(finding, whole);
  back_to_scheduler();
}

static MlcIndex index_of(unsigned n) {
  return {n % mlc_block_extent.x, n / mlc_block_extent.x % mlc_block_extent.y,
          n / mlc_block_extent.x / mlc_block_extent.y};
}

// Where in its block's pool, or in an array, an address is.
static uint64_t offset_in(const Region &region, uint64_t address) {
  uint64_t offset = address - region.low;
  return region.is_shared ? offset % pool_bytes : offset;
}

static void race(const Region &region, uint64_t address, const Access &before, bool wrote,
                 bool writes, bool at_once) {
  const MlcThread &other = threads[before.thread];
  char who[96];
  if (at_once)
    snprintf(who, sizeof who, "thread (%u, %u, %u) of %s", other.index.x, other.index.y, other.index.z,
             other.rank == mlc_current->rank ? "its block" : "another block of its cluster");
  else
    snprintf(who, sizeof who, "a thread of another block");
  mlc_fail(2, "%s byte %llu of %s, which %s %s: %s", writes ? "writes" : "reads",
           (unsigned long long)offset_in(region, address), region.name, who, wrote ? "wrote" : "read",
           at_once ? "no barrier lies between them" : "nothing orders blocks of one launch");
}

// ---- accesses -----------------------------------------------------------------------------------

static uint32_t known_of(uint32_t other);  // by mbarriers

static bool is_ordered(const Access &before, bool atomic) {
  const MlcThread *me = mlc_current;
  if (before.atomic && atomic) return true;
  if (before.time < block_began)  // another block of this launch
    return me->fenced && before.time < last_fence;
  if (before.thread == me->number || before.time < last_cluster_barrier) return true;
  if (threads[before.thread].rank != me->rank) {
    if (me->fenced && before.time < last_fence) return true;
  } else if (before.time < last_barrier[me->rank]) {
    return true;
  }
  if (before.time < known_of(before.thread)) return true;
  return before.thread / WARP == me->warp && before.time < warp_synced[me->warp];
}

static void look(const Region &region, uint64_t address, unsigned bytes, bool writes, bool atomic) {
  Access mine = {now, (uint16_t)mlc_current->number, 0, atomic};
  uint64_t end = address + bytes;
  Granule *granule = region.granules + (address - region.base) / 4;
  for (uint64_t at = address & ~(uint64_t)3; at < end; at += 4, granule++) {
    mine.bytes = 15;
    if (at < address) mine.bytes &= 15 << (address - at);
    if (end - at < 4) mine.bytes &= 15 >> (4 - (end - at));
    bool old = region.is_shared && granule->write.time < block_began;
    if ((granule->write.bytes & mine.bytes) && !old && !is_ordered(granule->write, atomic))
      race(region, at > address ? at : address, granule->write, true, writes,
           granule->write.time >= block_began);
    if (!writes) {
      Access &last = granule->read;
      if (last.thread != mine.thread || last.time < block_began)
        granule->other_read = last;
      else if (last.time == now)
        mine.bytes |= last.bytes;
      last = mine;
      continue;
    }
    const Access *readers[2] = {&granule->read, &granule->other_read};
    for (const Access *reader : readers) {
      if (!(reader->bytes & mine.bytes)) continue;
      if (region.is_shared && reader->time < block_began) continue;
      if (!is_ordered(*reader, atomic))
        race(region, at > address ? at : address, *reader, false, true,
             reader->time >= block_began);
    }
    if (granule->write.thread == mine.thread && granule->write.time == now)
      mine.bytes |= granule->write.bytes;
    granule->write = mine;
  }
}

static int n_boxes;
static void refuse_pending(uint64_t address, uint64_t bytes, bool writes);

// `far` where shared memory may be that of another block of the cluster.
static void touch(uint64_t address, uint64_t bytes, bool writes, bool atomic, bool far = false) {
  if (!checking) return;
  const Region *region = &regions[last_region];
  if (address - region->low >= region->high - region->low || address + bytes > region->high) {
    int i = 0;
    for (; i < n_regions; i++)
      if (address >= regions[i].low && address + bytes <= regions[i].high) break;
    if (i == n_regions) {
      if (open_bounds) return;
      const Region *nearest = nullptr;
      uint64_t distance = 1 << 20;
      for (i = 3; i < n_regions; i++) {
        const Region &r = regions[i];
        uint64_t far = address >= r.high ? address - r.high : 0;
        if (address < r.low) far = r.low - address;
        if (far < distance) distance = far, nearest = &r;
      }
      const char *does = writes ? "writes" : "reads";
      if (!nearest)
        mlc_fail(1, "%s %llu bytes at an address that belongs to none of its arrays", does,
                 (unsigned long long)bytes);
      else
        mlc_fail(1, "%s bytes %lld to %lld of %s, which has %llu bytes", does,
                 (long long)(address - nearest->low), (long long)(address + bytes - nearest->low - 1),
                 nearest->name, (unsigned long long)(nearest->high - nearest->low));
    }
    last_region = i;
    region = &regions[i];
  }
  if (region->is_shared && n_blocks > 1) {
    uint64_t offset = offset_in(*region, address);
    if (offset + bytes > launch->shared_bytes)
      mlc_fail(1, "%s bytes %llu to %llu of shared memory, which has %llu bytes", writes ? "writes" : "reads",
               (unsigned long long)offset, (unsigned long long)(offset + bytes - 1),
               (unsigned long long)launch->shared_bytes);
    if (!far && (address - region->low) / pool_bytes != mlc_current->rank)
      mlc_fail(2, "%s byte %llu of the shared memory of another block", writes ? "writes" : "reads",
               (unsigned long long)offset);
  }
  if (n_boxes && region->is_shared) refuse_pending(address, bytes, writes);
  if (region->granules) look(*region, address, (unsigned)bytes, writes, atomic);
}

void mlc_touch(const void *address, uint64_t bytes, int is_write, int is_atomic) {
  touch((uint64_t)address, bytes, is_write, is_atomic);
}

#include "emulator_banks.h"

static inline void watched(void *p, unsigned bytes, bool writes, void *from) {
  if (launch->sites) count_access((uint64_t)p, bytes, writes, (uint64_t)from);
  touch((uint64_t)p, bytes, writes, false);
}

// The compiler calls these before each access, as it does for thread sanitizers; none is linked.
#define WATCH(name, n, writes) \
  MLC_API void __tsan_##name##n(void *p) { watched(p, n, writes, __builtin_return_address(0)); }
#define ON_ACCESS(n)                                                               \
  WATCH(read, n, false) WATCH(write, n, true)                                      \
  WATCH(volatile_read, n, false) WATCH(volatile_write, n, true)                    \
  WATCH(unaligned_read, n, false) WATCH(unaligned_write, n, true)                  \
  WATCH(read_write, n, true) WATCH(unaligned_read_write, n, true)
ON_ACCESS(1)
ON_ACCESS(2)
ON_ACCESS(4)
ON_ACCESS(8)
ON_ACCESS(16)
MLC_API void __tsan_read_range(void *p, long n) { touch((uint64_t)p, n, false, false); }
MLC_API void __tsan_write_range(void *p, long n) { touch((uint64_t)p, n, true, false); }
MLC_API void *__tsan_memcpy(void *to, const void *from, unsigned long n) {
  touch((uint64_t)from, n, false, false);
  touch((uint64_t)to, n, true, false);
  return memcpy(to, from, n);
}
MLC_API void *__tsan_memmove(void *to, const void *from, unsigned long n) {
  touch((uint64_t)from, n, false, false);
  touch((uint64_t)to, n, true, false);
  return memmove(to, from, n);
}
MLC_API void *__tsan_memset(void *to, int value, unsigned long n) {
  touch((uint64_t)to, n, true, false);
  return memset(to, value, n);
}
MLC_API void __tsan_func_entry(void *) {}
MLC_API void __tsan_func_exit() {}
MLC_API void __tsan_init() {}

// And these where an index leaves an array of the kernel's own, and so on.
struct Place {
  const char *file;
  uint32_t line, column;
};
MLC_API void __ubsan_handle_out_of_bounds(Place *place, uint64_t index) {
  mlc_fail(1, "takes element %lld of a local array, which is not there (line %u)",
           (long long)index, place->line);
}
MLC_API void __ubsan_handle_type_mismatch_v1(Place *place, uint64_t address) {
  if (address)
    mlc_fail(2, "accesses a vector at address %#llx, which is not a multiple of its size (line %u)",
             (unsigned long long)address, place->line);
  mlc_fail(1, "accesses memory through a null pointer (line %u)", place->line);
}
MLC_API void __ubsan_handle_divrem_overflow(Place *place, uint64_t, uint64_t) {
  mlc_fail(2, "divides an integer by zero, or the least one by -1 (line %u)", place->line);
}

// ---- what kernels call --------------------------------------------------------------------------

void mlc_barrier_at(int line, int place) {
  mlc_current->state = MLC_AT_BARRIER;
  mlc_current->site = line, mlc_current->place = place;
  back_to_scheduler();
}

void mlc_cluster_barrier_at(int line) {
  mlc_current->state = MLC_AT_CLUSTER;
  mlc_current->site = line;
  back_to_scheduler();
}

const void *mlc_in_block(const void *place, unsigned rank) {
  const uint64_t base = regions[SHARED].low, offset = (uint64_t)place - base;
  if (offset >= pool_bytes * n_blocks || rank >= n_blocks)
    mlc_fail(2, "asks for shared memory of block %u of its cluster, which has %u", rank, n_blocks);
  if (rank != mlc_current->rank) reached[rank][mlc_current->number] = now;
  return (const void *)(base + rank * pool_bytes + offset % pool_bytes);
}

void mlc_fence() {
  last_fence = ++now;
  mlc_current->fenced = true;
}

static void wait_for_warp(const char *what, int line) {
  mlc_current->state = MLC_AT_WARP;
  mlc_current->site = line;
  mlc_current->what = what;
  back_to_scheduler();
}

static const char SYNC[] = "mlc_syncwarp";

void mlc_sync_lanes(int line) { wait_for_warp(SYNC, line); }

void mlc_exchange(const void *mine, unsigned bytes, const char *what, int line) {
  MlcThread *me = mlc_current;
  me->exchanges++;
  memcpy(me->slot[me->exchanges & 1], mine, bytes);
  wait_for_warp(what, line);
}

const void *mlc_handed(unsigned lane) {
  unsigned number = mlc_current->warp * WARP + lane;
  if (number >= n_threads * n_blocks) number = mlc_current->number;
  return threads[number].slot[mlc_current->exchanges & 1];
}

void mlc_copy_later(void *to, const void *from, unsigned bytes, unsigned valid, int line) {
  MlcThread *me = mlc_current;
  mlc_count_shared(to, bytes, 1, line);
  if ((uint64_t)to % bytes || (valid && (uint64_t)from % bytes))
    mlc_fail(2, "copies %u bytes asynchronously at an address that is not a multiple of it", bytes);
  if (me->copies == MLC_CP_ASYNC_MAX)
    mlc_fail(2, "has %d asynchronous copies under way, more than the emulator keeps", me->copies);
  me->copy[me->copies++] = {to, from, (uint16_t)bytes, (uint16_t)valid, me->group};
}

void mlc_copies_commit() { mlc_current->group++; }

// Copies happen here and no sooner, so that a wait that is missing is seen.
void mlc_copies_wait(unsigned pending) {
  MlcThread *me = mlc_current;
  int kept = 0;
  for (int i = 0; i < me->copies; i++) {
    MlcCopy copy = me->copy[i];
    if (copy.group + pending >= me->group) {
      me->copy[kept++] = copy;
      continue;
    }
    if (copy.valid) touch((uint64_t)copy.from, copy.valid, false, false);
    touch((uint64_t)copy.to, copy.bytes, true, false);
    memcpy(copy.to, copy.from, copy.valid);
    memset((char *)copy.to + copy.valid, 0, copy.bytes - copy.valid);
  }
  me->copies = kept;
}

#include "emulator_boxes.h"

#include "emulator_scheduler.h"

static void add_region(const void *low, uint64_t bytes, const char *name, bool watched,
                       bool shared) {
  Region &region = regions[n_regions++];
  uint64_t start = (uint64_t)low;
  region = {start, start + bytes, start & ~(uint64_t)3, name, nullptr, shared};
  // The history of an access takes six times its bytes.
  if (watched && checking && bytes && bytes <= (64u << 20))
    region.granules = (Granule *)calloc((bytes + 7) / 4 + 1, sizeof(Granule));
}

static bool prepare() {
  if (stacks) return true;
  uint64_t bytes = STACK_BYTES * (MAX_THREADS + 1);
  void *made = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  threads = (MlcThread *)calloc(MAX_THREADS, sizeof(MlcThread));
  if (made == MAP_FAILED || !threads) return false;
  stacks = (unsigned char *)made;
  return true;
}

int mlc_run(MlcLaunch *wanted, MlcKernel kernel, void **arguments) {
  launch = wanted;
  launch->finding = 0;
  launch->message[0] = 0;
  mlc_grid_extent = {launch->grid[0], launch->grid[1], launch->grid[2]};
  mlc_block_extent = {launch->block[0], launch->block[1], launch->block[2]};
  n_threads = launch->block[0] * launch->block[1] * launch->block[2];
  n_blocks = launch->cluster;
  n_warps = (n_threads * n_blocks + WARP - 1) / WARP;
  pool_bytes = ((launch->shared_bytes + 1023) & ~(uint64_t)1023) + 1024;
  failed = false;
  checking = launch->checks;
  random_state = 12345;
  now = last_fence = 0;
  n_regions = last_region = 0;
  the_kernel = kernel;
  the_arguments = arguments;
  void *pool = nullptr;
  if (!prepare() || posix_memalign(&pool, 1024, pool_bytes * n_blocks)) return -1;
  open_bounds = false;
  add_region(stacks, STACK_BYTES * (MAX_THREADS + 1), "a stack", false, false);
  add_region(threads, sizeof(MlcThread) * MAX_THREADS, "a thread", false, false);
  add_region(&__ehdr_start, (uint64_t)(&_end - &__ehdr_start), "the module", false, false);
  uint64_t shared = n_blocks > 1 ? pool_bytes * n_blocks : launch->shared_bytes;
  add_region(pool, shared, "shared memory", true, true);
  for (int i = 0; i < launch->arrays && n_regions < MAX_REGIONS; i++) {
    if (launch->sizes[i] == ~(uint64_t)0) open_bounds = true;
    else add_region(launch->addresses[i], launch->sizes[i], launch->names[i], true, false);
  }
  uint64_t blocks = (uint64_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
  n_counted = 0;
  for (uint64_t i = 0; i < blocks && !failed; i += n_blocks) {
    uint64_t n = launch->order == 1 ? blocks - n_blocks - i : i;
    run_blocks({(unsigned)(n % launch->grid[0]), (unsigned)(n / launch->grid[0] % launch->grid[1]),
                (unsigned)(n / launch->grid[0] / launch->grid[1])});
    if (launch->sites) count_block();
  }
  if (launch->sites) end_counting();
  for (int i = 0; i < n_regions; i++) free(regions[i].granules);
  free(pool);
  return launch->finding;
}
