// mbarriers and bulk copies of the emulator: a part of emulator.cpp.
//
// A copy is done when somebody waits for it and no sooner, so that a wait that is missing is seen:
// what it will fill is poisoned when it is asked for. Who passes a barrier knows what all knew that
// arrived there.

enum { MAX_MBARRIERS = 64, MAX_BOXES = 256 };
struct Mbarrier {
  uint64_t address;
  uint32_t count, pending, parity, number;  // parity of the phase that is not complete
  int64_t bytes;                            // still to come in this phase
  const char *what;
  uint32_t known[MAX_THREADS], passed[MAX_THREADS];  // what arrived, of this phase and before
};
struct Box {
  const void *to;
  MlcBoxes from;
  int at[5];
  Mbarrier *barrier;
  uint32_t thread;
};
static Mbarrier *mbarriers;
static Box *boxes;
static int n_mbarriers;
static uint32_t *knowledge;  // by thread and other thread: before which time all of that is known

static uint64_t bytes_of(const MlcBoxes &from) {
  uint64_t bytes = from.itemsize;
  for (unsigned d = 0; d < from.rank; d++) bytes *= from.box[d];
  return bytes;
}

static void begin_boxes() {
  n_mbarriers = n_boxes = 0;
  if (knowledge) memset(knowledge, 0, sizeof *knowledge * MAX_THREADS * MAX_THREADS);
}

static uint32_t known_to(uint32_t one, uint32_t other) {
  return n_mbarriers ? knowledge[one * MAX_THREADS + other] : 0;
}
static uint32_t known_of(uint32_t other) { return known_to(mlc_current->number, other); }

// No address: the barrier of some threads of a block of this rank.
static const uint64_t *team_of(unsigned rank) { return (const uint64_t *)(uint64_t)(1 + rank); }
static bool is_team(const uint64_t *barrier) { return (uint64_t)barrier <= MAX_BLOCKS; }

static Mbarrier *mbarrier_at(const uint64_t *barrier) {
  for (int i = 0; i < n_mbarriers; i++)
    if (mbarriers[i].address == (uint64_t)barrier) return &mbarriers[i];
  mlc_fail(2, "uses an mbarrier that was not made");
  return nullptr;
}

void mlc_mbarrier_begin(const uint64_t *barrier, unsigned count, unsigned number, const char *what) {
  if (!mbarriers) mbarriers = (Mbarrier *)calloc(MAX_MBARRIERS, sizeof(Mbarrier));
  if (!knowledge) knowledge = (uint32_t *)calloc(MAX_THREADS * MAX_THREADS, sizeof *knowledge);
  if (!mbarriers || !knowledge || n_mbarriers == MAX_MBARRIERS)
    mlc_fail(2, "makes more mbarriers than the emulator keeps");
  for (int i = 0; i < n_mbarriers; i++)
    if (mbarriers[i].address == (uint64_t)barrier) mlc_fail(2, "makes an mbarrier for the second time");
  if (!is_team(barrier)) touch((uint64_t)barrier, 8, true, false);
  Mbarrier &made = mbarriers[n_mbarriers++];
  memset(&made, 0, sizeof made);
  made.address = (uint64_t)barrier, made.count = made.pending = count;
  made.number = number, made.what = what;
}

// Who waits at an mbarrier looks again.
static void wake(const Mbarrier *b) {
  for (unsigned i = 0; i < n_threads * n_blocks; i++)
    if (threads[i].state == MLC_AT_MBARRIER && threads[i].barrier == b) threads[i].state = MLC_READY;
}

static void complete(Mbarrier *b) {
  if (b->pending || b->bytes) return;
  b->parity ^= 1;
  b->pending = b->count;
  memcpy(b->passed, b->known, sizeof b->passed);
  wake(b);
}

static void hand_over(Mbarrier *b, unsigned thread, uint32_t time) {
  if (b->known[thread] < time) b->known[thread] = time;
}

void mlc_mbarrier_arrive(const uint64_t *barrier, unsigned bytes) {
  Mbarrier *b = mbarrier_at(barrier);
  const MlcThread *me = mlc_current;
  if (!is_team(barrier)) touch((uint64_t)barrier, 8, false, false, true);
  if (!b->pending) mlc_fail(2, "arrives where slot %u %s, and nobody is missing there", b->number, b->what);
  const uint32_t *mine = knowledge + me->number * MAX_THREADS;
  uint32_t warp = me->warp * WARP;
  for (unsigned i = 0; i < n_threads * n_blocks; i++)
    hand_over(b, i, i / WARP == me->warp && mine[i] < warp_synced[warp / WARP] ? warp_synced[warp / WARP] : mine[i]);
  hand_over(b, me->number, ++now);
  b->pending--;
  b->bytes += bytes;
  complete(b);
}

void mlc_box_later(const void *to, const MlcBoxes *from, const uint64_t *slot, const int *at,
                   unsigned rank) {
  Mbarrier *b = mbarrier_at(slot);
  if (rank != from->rank) mlc_fail(2, "takes a box of an array of %u dimensions at %u", from->rank, rank);
  if ((uint64_t)to % 1024) mlc_fail(2, "takes a box to an address that is no multiple of 1024");
  bool whole = from->address % 16 == 0;
  for (unsigned d = 1; d < rank; d++) whole = whole && from->strides[d - 1] % 16 == 0;
  if (!whole) mlc_fail(2, "takes a box of an array whose rows begin at no multiple of 16 bytes");
  if (!boxes) boxes = (Box *)calloc(MAX_BOXES, sizeof(Box));
  if (!boxes || n_boxes == MAX_BOXES) mlc_fail(2, "has more boxes under way than the emulator keeps");
  uint64_t bytes = bytes_of(*from);
  touch((uint64_t)to, bytes, true, false, true);
  memset((void *)to, 0xFF, bytes);
  Box &made = boxes[n_boxes++];
  made = {to, *from, {0, 0, 0, 0, 0}, b, mlc_current->number};
  memcpy(made.at, at, rank * sizeof *at);
  wake(b);
}

static void refuse_pending(uint64_t address, uint64_t bytes, bool writes) {
  for (int i = 0; i < n_boxes; i++) {
    uint64_t to = (uint64_t)boxes[i].to;
    if (address < to + bytes_of(boxes[i].from) && to < address + bytes)
      mlc_fail(2, "%s byte %llu of shared memory, where a box is to come that nobody has waited for",
               writes ? "writes" : "reads", (unsigned long long)offset_in(regions[SHARED], address));
  }
}

// The elements of a box, those outside of the array 0; rows of 128 bytes are mixed.
static int64_t fetch_box(const Box &box) {
  const MlcBoxes &from = box.from;
  uint64_t total = 1, end = (uint64_t)box.to;
  for (unsigned d = 0; d < from.rank; d++) total *= from.box[d];
  for (uint64_t n = 0; n < total; n++, end += from.itemsize) {
    uint64_t rest = n, address = from.address, to = end ^ (end >> 7 & 7) << 4;
    bool inside = true;
    for (unsigned d = 0; d < from.rank; d++) {
      int64_t at = box.at[d] + (int64_t)(rest % from.box[d]);
      rest /= from.box[d];
      inside = inside && at >= 0 && at < (int64_t)from.shape[d];
      address += at * (d ? from.strides[d - 1] : from.itemsize);
    }
    if (!inside) {
      memset((void *)to, 0, from.itemsize);
      continue;
    }
    touch(address, from.itemsize, false, false);
    memcpy((void *)to, (const void *)address, from.itemsize);
  }
  // Written just now: who reads it must know of that by the mbarrier.
  Granule *first = regions[SHARED].granules;
  uint64_t start = ((uint64_t)box.to - regions[SHARED].base) / 4;
  for (uint64_t n = 0; first && n < total * from.itemsize / 4; n++)
    first[start + n].write = {now, (uint16_t)box.thread, 15, 0};
  return (int64_t)(total * from.itemsize);
}

void mlc_mbarrier_wait(const uint64_t *barrier, unsigned parity, int line) {
  MlcThread *me = mlc_current;
  Mbarrier *b = mbarrier_at(barrier);
  if (!is_team(barrier)) touch((uint64_t)barrier, 8, false, false);
  while (b->parity == parity) {  // that phase is not complete
    int kept = 0;
    for (int i = 0; i < n_boxes; i++) {
      Box box = boxes[i];
      if (box.barrier != b) {
        boxes[kept++] = box;
        continue;
      }
      ++now;
      b->bytes -= fetch_box(box);
      hand_over(b, box.thread, ++now);
    }
    n_boxes = kept;
    complete(b);
    if (b->parity != parity) break;
    me->state = MLC_AT_MBARRIER;
    me->site = line;
    me->barrier = b;
    back_to_scheduler();
  }
  uint32_t *mine = knowledge + me->number * MAX_THREADS;
  for (unsigned i = 0; i < n_threads * n_blocks; i++)
    if (mine[i] < b->passed[i]) mine[i] = b->passed[i];
  ++now;
}

void mlc_barrier_of_at(unsigned count, int line) {
  MlcThread *me = mlc_current;
  if (me->own >= count || count % WARP || count > n_threads)
    mlc_fail(2, "waits at a barrier of the first %u threads (line %d)", count, line);
  const uint64_t *team = team_of(me->rank);
  bool made = false;
  for (int i = 0; i < n_mbarriers; i++) made = made || mbarriers[i].address == (uint64_t)team;
  if (!made) mlc_mbarrier_begin(team, count, 0, "");
  Mbarrier *b = mbarrier_at(team);
  if (b->count != count) mlc_fail(2, "waits at a barrier of %u threads, where others wait for %u", count, b->count);
  unsigned parity = b->parity;
  mlc_sync_lanes(line);
  mlc_mbarrier_arrive(team, 0);
  mlc_mbarrier_wait(team, parity, line);
}

// Says that a thread waits in vain, when no thread of the block can go on.
static void deadlock(const MlcThread *t) {
  const Mbarrier *b = (const Mbarrier *)t->barrier;
  char who[128], text[400];
  where(who, sizeof who, t);
  if (is_team((const uint64_t *)b->address))
    snprintf(text, sizeof text,
             "%s waits at the barrier of line %d for %u threads more, and none is left that comes", who,
             t->site, b->pending);
  else snprintf(text, sizeof text,
           "%s waits at line %d until slot %u %s (phase %u), and no thread is left that brings it "
           "about: %u arrivals and %lld bytes are missing", who, t->site, b->number, b->what,
           b->parity, b->pending, (long long)b->bytes);
  note(2, text);
}
