// Tiles in shared memory whose rows hold their pieces of 16 bytes in an order of their own, so that
// the same piece of eight rows lies in all of the banks. On a card and on the processor.

// Where the element at `place` lies, in rows of so many bytes (a power of two) of elements of so
// many: its piece of 16 bytes changes place with another of its row, as the number of the row says.
template <int row_bytes, int bytes>
MLC_DEVICE int mlc_mix(int place) {
  constexpr unsigned line = row_bytes < 128 ? 128 : row_bytes;
  constexpr unsigned pieces = row_bytes < 128 ? row_bytes / 16 : 8;
  return place ^ (int)((unsigned)place * bytes / line % pieces * (16 / bytes));
}

// The address of an element there: `start` is that of a row whose pieces lie in order.
template <int row_bytes, class T>
struct MlcMixed {
  T *start;
  int place;
  __device__ __forceinline__ MlcMixed operator+(int more) const { return {start, place + more}; }
  __device__ __forceinline__ operator T *() const { return start + mlc_mix<row_bytes, sizeof(T)>(place); }
};
template <int row_bytes, class T>
MLC_DEVICE MlcMixed<row_bytes, T> mlc_mixed(T *start, int place) {
  return {start, place};
}

// Two neighbours in a row of a tile, at once where they begin at a multiple of their size together.
template <class T>
struct alignas(2 * sizeof(T)) MlcPair {
  T one, two;
};
template <class T>
MLC_DEVICE void mlc_store_pair(T *target, int near, T one, T two) {
  if (near == 1 && (uint64_t)target % sizeof(MlcPair<T>) == 0) {
    *reinterpret_cast<MlcPair<T> *>(target) = {one, two};
  } else {
    target[0] = one;
    target[near] = two;
  }
}
