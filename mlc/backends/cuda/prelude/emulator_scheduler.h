// The scheduler of the emulator, a part of emulator.cpp: the threads of a block, or of the blocks of a
// cluster, in turns, and what must be so where they wait and end.

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
  else snprintf(text + n, room - n, " waits at the barrier of %sline %d",
                t->state == MLC_AT_CLUSTER ? "the cluster at " : "", t->site);
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
  unsigned first = warp * WARP, lanes = n_threads * n_blocks - first;
  if (lanes > WARP) lanes = WARP;
  unsigned order[WARP];
  arrange(order, lanes);
  for (;;) {
    for (unsigned i = 0; i < lanes; i++) {
      MlcThread *t = &threads[first + order[i]];
      if (t->state != MLC_READY) continue;
      mlc_current = t;
      mlc_block_index = t->block;
      mlc_shared_pool = t->pool;
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

// Threads of all blocks of a cluster, before the first of them runs.
static void begin_threads(MlcIndex first) {
  for (unsigned i = 0; i < n_threads * n_blocks; i++) {
    MlcThread *t = &threads[i];
    t->stack_pointer = new_stack(stacks + STACK_BYTES * (i + 1));
    t->rank = i / n_threads;
    t->own = i % n_threads;
    t->index = index_of(t->own);
    t->block = {first.x + t->rank, first.y, first.z};
    t->pool = (unsigned char *)regions[SHARED].low + t->rank * pool_bytes;
    t->number = i;
    t->warp = i / WARP;
    t->state = MLC_READY;
    t->exchanges = t->group = 0;
    t->copies = 0;
    t->fenced = false;
  }
}

// Whether the threads of a block go on, now or from its barrier on, where all of them must wait then.
static bool block_goes_on(unsigned rank, MlcThread *&stalled) {
  MlcThread *mine = threads + rank * n_threads, *waiting = nullptr, *other = nullptr;
  bool ready = false, stays = false;
  for (MlcThread *t = mine; t < mine + n_threads; t++) {
    if (t->state == MLC_AT_BARRIER && !waiting) waiting = t;
    if (t->state == MLC_AT_MBARRIER) stays = true, stalled = stalled ? stalled : t;
    ready = ready || t->state == MLC_READY;
  }
  if (ready || stays || !waiting) return ready;
  for (MlcThread *t = mine; t < mine + n_threads; t++)
    if (t->state != MLC_AT_BARRIER || t->site != waiting->site || t->place != waiting->place) other = t;
  if (other) {
    bool one_line = other->state == MLC_AT_BARRIER && other->site == waiting->site;
    disagree(waiting, other,
             one_line ? "these are two, and all threads of a block must reach the same barrier"
                      : "all threads of a block must reach the same barrier");
    return false;
  }
  last_barrier[rank] = ++now;
  for (MlcThread *t = mine; t < mine + n_threads; t++) t->state = MLC_READY;
  return true;
}

// The same of all blocks of a cluster.
static bool cluster_goes_on() {
  MlcThread *end = threads + n_threads * n_blocks, *waiting = nullptr, *other = nullptr;
  for (MlcThread *t = threads; t < end; t++)
    if (t->state == MLC_AT_CLUSTER && !waiting) waiting = t;
  if (!waiting) return false;
  for (MlcThread *t = threads; t < end; t++)
    if (t->state != MLC_AT_CLUSTER) other = t;
  if (other) {
    disagree(waiting, other, "all threads of a cluster must reach its barrier");
    return false;
  }
  last_cluster_barrier = ++now;
  for (MlcThread *t = threads; t < end; t++) t->state = MLC_READY;
  return true;
}

// A block ends once it knows that what others do in its shared memory is done.
static void end_after(unsigned rank, const MlcThread &other) {
  const uint32_t then = reached[rank][other.number];
  if (!then || then < last_cluster_barrier) return;
  for (unsigned i = 0; i < n_threads; i++)
    if (then < known_to(rank * n_threads + i, other.number)) return;
  char text[400];
  int n = where(text, sizeof text, &other);
  snprintf(text + n, sizeof text - n, " uses shared memory of another block, which does not wait for that "
           "before it ends");
  note(2, text);
}

static void run_blocks(MlcIndex first) {
  block_began = last_cluster_barrier = ++now;
  for (uint32_t &each : last_barrier) each = now;
  begin_boxes();
  memset(reached, 0, sizeof reached);
  memset(warp_synced, 0, sizeof warp_synced);
  memset((void *)regions[SHARED].low, 0xFF, pool_bytes * n_blocks);
  begin_threads(first);
  unsigned order[MAX_THREADS / WARP];
  for (;;) {
    arrange(order, n_warps);
    for (unsigned i = 0; i < n_warps && !failed; i++) run_warp(order[i]);
    if (failed) return;
    MlcThread *stalled = nullptr;
    bool goes_on = false;
    for (unsigned rank = 0; rank < n_blocks && !failed; rank++)
      if (block_goes_on(rank, stalled)) goes_on = true;
    if (failed) return;
    if (goes_on) continue;
    if (stalled) return deadlock(stalled);
    if (!cluster_goes_on()) break;
  }
  if (failed) return;
  for (unsigned i = 0; i < n_threads * n_blocks; i++)
    if (threads[i].copies) {
      char text[224];
      int n = where(text, sizeof text, &threads[i]);
      snprintf(text + n, sizeof text - n, " ends without waiting for its asynchronous copies");
      return note(2, text);
    }
  if (n_boxes) return note(2, "a block ends without waiting for its boxes");
  for (unsigned rank = 0; rank < n_blocks; rank++)
    for (unsigned i = 0; i < n_threads * n_blocks; i++) end_after(rank, threads[i]);
}
