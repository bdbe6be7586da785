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

enum { MAX_THREADS = 1024, WARP = 32, MAX_REGIONS = 512, SHARED = 3 };
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
static unsigned n_threads, n_warps;
// A clock that ticks at every synchronisation. Of two accesses by different threads one comes
// first for sure only if a synchronisation of both lies between them.
static uint32_t now, block_began, last_barrier, last_fence, warp_synced[MAX_THREADS / WARP];

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
                  t->index.z, mlc_block_index.x, mlc_block_index.y, mlc_block_index.z);
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

static void race(const Region &region, uint64_t offset, const Access &before, bool wrote,
                 bool writes, bool same_block) {
  MlcIndex other = index_of(before.thread);
  char who[96];
  if (same_block)
    snprintf(who, sizeof who, "thread (%u, %u, %u) of its block", other.x, other.y, other.z);
  else
    snprintf(who, sizeof who, "a thread of another block");
  mlc_fail(2, "%s byte %llu of %s, which %s %s: %s", writes ? "writes" : "reads",
           (unsigned long long)offset, region.name, who, wrote ? "wrote" : "read",
           same_block ? "no barrier lies between them" : "nothing orders blocks of one launch");
}

// ---- accesses -----------------------------------------------------------------------------------

static uint32_t known_of(uint32_t other);  // by mbarriers

static bool is_ordered(const Access &before, bool atomic) {
  const MlcThread *me = mlc_current;
  if (before.time < block_began)  // another block of this launch
    return (before.atomic && atomic) || (me->fenced && before.time < last_fence);
  if (before.thread == me->number || before.time < last_barrier) return true;
  if (before.atomic && atomic) return true;
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
      race(region, (at > address ? at : address) - region.low, granule->write, true, writes,
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
        race(region, (at > address ? at : address) - region.low, *reader, false, true,
             reader->time >= block_began);
    }
    if (granule->write.thread == mine.thread && granule->write.time == now)
      mine.bytes |= granule->write.bytes;
    granule->write = mine;
  }
}

static int n_boxes;
static void refuse_pending(uint64_t address, uint64_t bytes, bool writes);

static void touch(uint64_t address, uint64_t bytes, bool writes, bool atomic) {
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
  if (number >= n_threads) number = mlc_current->number;
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

// ---- the scheduler ------------------------------------------------------------------------------

static uint32_t random_state;
static uint32_t draw(uint32_t below) {
  random_state = random_state * 1664525u + 1013904223u;
  return (uint32_t)(((uint64_t)random_state * below) >> 32);
}

static void arrange(unsigned *order, unsigned n) {
  for (unsigned i = 0; i < n; i++) order[i] = launch->order == 1 ? n - 1 - i : i;
  if (launch->order == 2)
    for (unsigned i = n; i > 1; i--) {
      unsigned j = draw(i), t = order[i - 1];
      order[i - 1] = order[j], order[j] = t;
    }
}

static const char *describe(char *text, int room, const MlcThread *t) {
  int n = where(text, room, t);
  if (t->state == MLC_EXITED) snprintf(text + n, room - n, " has ended");
  else if (t->state == MLC_AT_WARP)
    snprintf(text + n, room - n, " waits in %s at line %d", t->what, t->site);
  else snprintf(text + n, room - n, " waits at the barrier of line %d", t->site);
  return text;
}

static void disagree(const MlcThread *a, const MlcThread *b, const char *among) {
  char first[224], second[224], text[600];
  snprintf(text, sizeof text, "%s, but %s: %s", describe(first, sizeof first, a),
           describe(second, sizeof second, b), among);
  note(2, text);
}

// Runs a warp until all of its lanes have ended or wait at a barrier; or some at an mbarrier.
static void run_warp(unsigned warp) {
  unsigned first = warp * WARP, lanes = n_threads - first;
  if (lanes > WARP) lanes = WARP;
  unsigned order[WARP];
  arrange(order, lanes);
  for (;;) {
    for (unsigned i = 0; i < lanes; i++) {
      MlcThread *t = &threads[first + order[i]];
      if (t->state != MLC_READY) continue;
      mlc_current = t;
      mlc_switch(&scheduler_stack, t->stack_pointer);
      if (failed) return;
    }
    MlcThread *waiting = nullptr, *other = nullptr;
    bool ready = false, stalled = false;
    for (unsigned i = 0; i < lanes; i++) {
      MlcThread *t = &threads[first + i];
      if (t->state == MLC_AT_WARP && !waiting) waiting = t;
      ready = ready || t->state == MLC_READY;
      stalled = stalled || t->state == MLC_AT_MBARRIER;
    }
    if (ready) continue;  // another lane has completed what it waited for
    if (!waiting || stalled) return;
    for (unsigned i = 0; i < lanes; i++) {
      MlcThread *t = &threads[first + i];
      if (t->state != MLC_AT_WARP || t->what != waiting->what) other = t;
    }
    if (other)
      return disagree(waiting, other, "all lanes of a warp must take part in a warp operation");
    if (waiting->what == SYNC) warp_synced[warp] = ++now;
    for (unsigned i = 0; i < lanes; i++) threads[first + i].state = MLC_READY;
  }
}

static void run_block() {
  block_began = last_barrier = ++now;
  begin_boxes();
  memset(warp_synced, 0, sizeof warp_synced);
  memset(mlc_shared_pool, 0xFF, launch->shared_bytes);
  for (unsigned i = 0; i < n_threads; i++) {
    MlcThread *t = &threads[i];
    t->stack_pointer = new_stack(stacks + STACK_BYTES * (i + 1));
    t->index = index_of(i);
    t->number = i;
    t->warp = i / WARP;
    t->state = MLC_READY;
    t->exchanges = t->group = 0;
    t->copies = 0;
    t->fenced = false;
  }
  unsigned order[MAX_THREADS / WARP];
  for (;;) {
    arrange(order, n_warps);
    for (unsigned i = 0; i < n_warps && !failed; i++) run_warp(order[i]);
    if (failed) return;
    MlcThread *waiting = nullptr, *other = nullptr, *stalled = nullptr;
    bool ready = false;
    for (unsigned i = 0; i < n_threads; i++) {
      MlcThread *t = &threads[i];
      if (t->state == MLC_AT_BARRIER && !waiting) waiting = t;
      if (t->state == MLC_AT_MBARRIER && !stalled) stalled = t;
      ready = ready || t->state == MLC_READY;
    }
    if (ready) continue;
    if (stalled) return deadlock(stalled);
    if (!waiting) break;
    for (unsigned i = 0; i < n_threads; i++)
      if (threads[i].state != MLC_AT_BARRIER || threads[i].site != waiting->site ||
          threads[i].place != waiting->place)
        other = &threads[i];
    if (other) {
      bool one_line = other->state == MLC_AT_BARRIER && other->site == waiting->site;
      return disagree(waiting, other,
                      one_line ? "these are two, and all threads of a block must reach the same barrier"
                               : "all threads of a block must reach the same barrier");
    }
    last_barrier = ++now;
    for (unsigned i = 0; i < n_threads; i++) threads[i].state = MLC_READY;
  }
  for (unsigned i = 0; i < n_threads; i++)
    if (threads[i].copies) {
      char text[224];
      int n = where(text, sizeof text, &threads[i]);
      snprintf(text + n, sizeof text - n, " ends without waiting for its asynchronous copies");
      return note(2, text);
    }
  if (n_boxes) note(2, "a block ends without waiting for its boxes");
}

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
  n_warps = (n_threads + WARP - 1) / WARP;
  failed = false;
  checking = launch->checks;
  random_state = 12345;
  now = last_fence = 0;
  n_regions = last_region = 0;
  the_kernel = kernel;
  the_arguments = arguments;
  void *pool = nullptr;
  if (!prepare() || posix_memalign(&pool, 1024, launch->shared_bytes + 1024)) return -1;
  mlc_shared_pool = (unsigned char *)pool;
  open_bounds = false;
  add_region(stacks, STACK_BYTES * (MAX_THREADS + 1), "a stack", false, false);
  add_region(threads, sizeof(MlcThread) * MAX_THREADS, "a thread", false, false);
  add_region(&__ehdr_start, (uint64_t)(&_end - &__ehdr_start), "the module", false, false);
  add_region(pool, launch->shared_bytes, "shared memory", true, true);
  for (int i = 0; i < launch->arrays && n_regions < MAX_REGIONS; i++) {
    if (launch->sizes[i] == ~(uint64_t)0) open_bounds = true;
    else add_region(launch->addresses[i], launch->sizes[i], launch->names[i], true, false);
  }
  uint64_t blocks = (uint64_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
  n_counted = 0;
  for (uint64_t i = 0; i < blocks && !failed; i++) {
    uint64_t n = launch->order == 1 ? blocks - 1 - i : i;
    mlc_block_index = {(unsigned)(n % launch->grid[0]),
                       (unsigned)(n / launch->grid[0] % launch->grid[1]),
                       (unsigned)(n / launch->grid[0] / launch->grid[1])};
    run_block();
    if (launch->sites) count_block();
  }
  if (launch->sites) end_counting();
  for (int i = 0; i < n_regions; i++) free(regions[i].granules);
  free(pool);
  return launch->finding;
}
