// How often shared memory is asked, by place in the text: what the lanes of a warp access at once
// takes one turn for each word that a bank is asked for. Included by emulator.cpp alone.

enum { MAX_SITES = 4096, BANKS = 32, BANK_BYTES = 4 };

// What the lanes of a warp did when they came to a place for the same time in this block.
struct Together {
  uint32_t lanes;
  uint16_t bytes;
  uint32_t place[WARP];
};
struct Turns {
  Together *list;
  uint32_t count, room;
};
struct Counted {
  MlcSite *site;
  uint32_t seen[MAX_THREADS];
  Turns of[MAX_THREADS / WARP];
};
static Counted *counted[MAX_SITES];
static int n_counted;

static Counted *counted_at(uint64_t key, unsigned bytes, bool writes) {
  for (int i = 0; i < n_counted; i++)
    if (counted[i]->site->key == key) return counted[i];
  if (n_counted >= launch->site_room || n_counted >= MAX_SITES) return nullptr;
  Counted *made = (Counted *)calloc(1, sizeof(Counted));
  if (!made) return nullptr;
  made->site = &launch->sites[n_counted];
  *made->site = {key, 0, 0, 0, (uint16_t)bytes, (uint16_t)writes};
  counted[n_counted++] = made;
  return made;
}

static void count_access(uint64_t address, unsigned bytes, bool writes, uint64_t key) {
  if (!launch->sites || address - (uint64_t)mlc_shared_pool >= launch->shared_bytes) return;
  Counted *here = counted_at(key, bytes, writes);
  if (!here) return;
  const unsigned thread = mlc_current->number, lane = thread % WARP;
  Turns &turns = here->of[thread / WARP];
  const uint32_t time = here->seen[thread]++;
  if (time >= turns.room) {
    uint32_t room = turns.room ? 2 * turns.room : 64;
    while (room <= time) room *= 2;
    Together *more = (Together *)realloc(turns.list, room * sizeof(Together));
    if (!more) return;
    memset(more + turns.room, 0, (room - turns.room) * sizeof(Together));
    turns.list = more, turns.room = room;
  }
  if (time >= turns.count) turns.count = time + 1;
  Together &at = turns.list[time];
  at.lanes |= 1u << lane;
  at.bytes = (uint16_t)bytes;
  at.place[lane] = (uint32_t)(address - (uint64_t)mlc_shared_pool);
}

// 32 lanes ask at once for up to 4 bytes each, 16 for 8, and 8 for 16. Lanes that ask for the same
// word share it.
static void add_turns(MlcSite *site, const Together &all) {
  const unsigned words = all.bytes > BANK_BYTES ? all.bytes / BANK_BYTES : 1, team = WARP / words;
  site->accesses++;
  for (unsigned first = 0; first < WARP; first += team) {
    uint32_t asked[WARP], n = 0, each[BANKS] = {}, most = 0;
    for (unsigned lane = first; lane < first + team; lane++) {
      if (!(all.lanes >> lane & 1)) continue;
      for (unsigned w = 0; w < words; w++) {
        uint32_t word = all.place[lane] / BANK_BYTES + w, i = 0;
        while (i < n && asked[i] != word) i++;
        if (i < n) continue;
        asked[n++] = word;
        uint32_t turns = ++each[word % BANKS];
        if (turns > most) most = turns;
      }
    }
    site->turns += most;
    site->least += n > 0;
  }
}

static void count_block() {
  for (int i = 0; i < n_counted; i++) {
    Counted *here = counted[i];
    for (Turns &turns : here->of) {
      for (uint32_t t = 0; t < turns.count; t++)
        if (turns.list[t].lanes) add_turns(here->site, turns.list[t]);
      if (turns.count) memset(turns.list, 0, turns.count * sizeof(Together));
      turns.count = 0;
    }
    memset(here->seen, 0, sizeof here->seen);
  }
}

static void end_counting() {
  launch->sites_found = n_counted;
  for (int i = 0; i < n_counted; i++) {
    for (Turns &turns : counted[i]->of) free(turns.list);
    free(counted[i]);
    const uint64_t base = (uint64_t)&__ehdr_start;
    MlcSite &site = launch->sites[i];
    if (site.key > MLC_LINE_MOST) site.key -= base;
    else site.key |= 1ull << 63;
  }
  n_counted = 0;
}

void mlc_count_shared(const void *address, unsigned bytes, int is_write, int line) {
  count_access((uint64_t)address, bytes, is_write, (uint64_t)line);
}
