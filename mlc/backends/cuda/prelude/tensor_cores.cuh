// Tensor cores on a card. Registers hold two 16-bit elements each, the first in the low half; which
// element is where is said by PTX's description of mma.m16n8k16 and ldmatrix.

// d += a b: a is 16 x 16 (row major), b 16 x 8 (column major), d 16 x 8 in float.
#define MLC_MMA_M16N8K16(name, type)                                                            \
  MLC_DEVICE void mlc_mma_m16n8k16_##name(float (&d)[4], const uint32_t (&a)[4],                \
                                          const uint32_t (&b)[2]) {                             \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 "                 \
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"              \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                               \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));           \
  }
MLC_MMA_M16N8K16(f16, "f16")
MLC_MMA_M16N8K16(bf16, "bf16")
#undef MLC_MMA_M16N8K16

// d += a b for operands of other types: 8 steps of a float of which 19 bits count, 32 of 8 bits.
MLC_DEVICE void mlc_mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  uint32_t left[4], right[2];  // rounded to nearest; the instruction itself drops the digits
  for (int n = 0; n < 4; n++) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(left[n]) : "f"(__uint_as_float(a[n])));
  for (int n = 0; n < 2; n++) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(right[n]) : "f"(__uint_as_float(b[n])));
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]), "r"(right[1]));
}
MLC_DEVICE void mlc_mma_m16n8k32_s8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four (two) matrices of 8 x 8 from shared memory: lane 8 m + i has the address of row i of matrix m.
MLC_DEVICE void mlc_ldmatrix_x4(uint32_t (&r)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(mlc_shared_address(row)) : "memory");
}
MLC_DEVICE void mlc_ldmatrix_x4_trans(uint32_t (&r)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(mlc_shared_address(row)) : "memory");
}
MLC_DEVICE void mlc_ldmatrix_x2(uint32_t (&r)[2], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1]) : "r"(mlc_shared_address(row)) : "memory");
}
MLC_DEVICE void mlc_ldmatrix_x2_trans(uint32_t (&r)[2], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1]) : "r"(mlc_shared_address(row)) : "memory");
}

// What is done to sums in registers. 2**x to 2 units of the last digit, 0 below 2**-126; two 16-bit
// floats in a register, the first in the low half.
MLC_DEVICE float mlc_exp2_near(float x) {
  float made;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(made) : "f"(x));
  return made;
}
MLC_DEVICE uint32_t mlc_pair_float16(float low, float high) {
  uint32_t made;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(made) : "f"(high), "f"(low));
  return made;
}
MLC_DEVICE uint32_t mlc_pair_bfloat16(float low, float high) {
  uint32_t made;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(made) : "f"(high), "f"(low));
  return made;
}

// Ends the kernel with an error where something was promised and does not hold.
MLC_DEVICE void mlc_require(bool holds, const char *) {
  if (!holds) asm volatile("trap;");
}

// Hopper: d += a b for 64 x 16 and 16 x 64 (128, 256), by four warps, from shared memory; such products
// stand between mlc_wgmma_begin and mlc_wgmma_commit. An operand lies in pieces
// of 8 rows of 16 bytes; they are `along` bytes apart along the reduction, `across` in the other
// direction. Tensor cores read memory by another way than threads write it: hence the first fence.
MLC_DEVICE uint64_t mlc_matrix_in_shared(const void *start, unsigned along, unsigned across) {
  return (uint64_t)((mlc_shared_address(start) & 0x3FFFF) >> 4) | (uint64_t)(along >> 4) << 16 |
         (uint64_t)(across >> 4) << 32;
}
// The same of rows of 128 bytes in which the 16 bytes of number n are at n ^ row % 8, as boxes bring
// them. 8 rows follow another; a turned operand has boxes of 64 elements side by side, `across` bytes
// apart.
MLC_DEVICE uint64_t mlc_boxes_in_shared(const void *start, unsigned across) {
  return mlc_matrix_in_shared(start, across, 1024) | 1ull << 62;
}
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
MLC_DEVICE void mlc_wgmma_begin_boxes() {  // of what no thread wrote
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
MLC_DEVICE void mlc_wgmma_begin() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
MLC_DEVICE void mlc_wgmma_commit() {  // makes a group of all since the beginning, which goes on
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int pending>
MLC_DEVICE void mlc_wgmma_wait() {  // until no more than so many groups go on
  asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(pending) : "memory");
}
// What a product wrote or read in registers is not to be touched before the wait that stands here.
template <class T, unsigned count>
MLC_DEVICE void mlc_wgmma_done(T (&held)[count]) {
  uint32_t (&words)[count * sizeof(T) / 4] = *reinterpret_cast<uint32_t (*)[count * sizeof(T) / 4]>(held);
  #pragma unroll
  for (unsigned n = 0; n < count * sizeof(T) / 4; n++) asm volatile("" : "+r"(words[n]));
}
template <unsigned count>
MLC_DEVICE void mlc_wgmma_done(float (&held)[count]) {
  #pragma unroll
  for (unsigned n = 0; n < count; n++) asm volatile("" : "+f"(held[n]));
}
#define MLC_SUMS_16(d, n)                                                                       \
  "+f"(d[n]), "+f"(d[n + 1]), "+f"(d[n + 2]), "+f"(d[n + 3]), "+f"(d[n + 4]), "+f"(d[n + 5]),   \
  "+f"(d[n + 6]), "+f"(d[n + 7]), "+f"(d[n + 8]), "+f"(d[n + 9]), "+f"(d[n + 10]),              \
  "+f"(d[n + 11]), "+f"(d[n + 12]), "+f"(d[n + 13]), "+f"(d[n + 14]), "+f"(d[n + 15])
#define MLC_SUMS_32(d, n) MLC_SUMS_16(d, n), MLC_SUMS_16(d, n + 16)
#define MLC_SUMS_64(d, n) MLC_SUMS_32(d, n), MLC_SUMS_32(d, n + 32)
#define MLC_SUMS_128(d, n) MLC_SUMS_64(d, n), MLC_SUMS_64(d, n + 64)
#define MLC_NAMES_32                                                                            \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                      \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define MLC_NAMES_64                                                                            \
  MLC_NAMES_32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, "  \
  "%47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define MLC_NAMES_128                                                                           \
  MLC_NAMES_64 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, "  \
  "%79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, "  \
  "%97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "     \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
// The product of what two descriptions say; turned operands lie along the other direction. `a`, `b`,
// `at` and `bt` are the places of the operands after the sums, of which there are `count`.
#define MLC_WGMMA_OF(columns, count, a, b, at, bt, name, type)                                  \
  template <int a_turned, int b_turned>                                                         \
  MLC_DEVICE void mlc_wgmma_of_m64n##columns##k16_##name(float (&d)[count], uint64_t left,      \
                                                         uint64_t right) {                      \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, 1, 0;\n"                                     \
                 "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." type "." type " {"     \
                 MLC_NAMES_##count "}, %" #a ", %" #b ", p, 1, 1, %" #at ", %" #bt ";\n}\n"     \
                 : MLC_SUMS_##count(d, 0)                                                       \
                 : "l"(left), "l"(right), "n"(a_turned), "n"(b_turned) : "memory");             \
  }
// The same with the left operand in registers, and boxes as the right one; d = a b where `anew`.
#define MLC_WGMMA_HELD(columns, count, x, y, z, w, b, bt, more, name, type)                     \
  template <bool turned, bool anew>                                                             \
  MLC_DEVICE void mlc_wgmma_held_m64n##columns##k16_##name(                                     \
      float (&d)[count], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, const void *right, \
      unsigned across) {                                                                        \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #more ", 0;\n"                            \
                 "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." type "." type " {"     \
                 MLC_NAMES_##count "}, {%" #x ", %" #y ", %" #z ", %" #w "}, %" #b              \
                 ", p, 1, 1, %" #bt ";\n}\n"                                                    \
                 : MLC_SUMS_##count(d, 0)                                                       \
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(mlc_boxes_in_shared(right, across)), \
                   "n"((int)turned), "n"((int)!anew) : "memory");                               \
  }
#else
MLC_DEVICE void mlc_wgmma_begin() {}
MLC_DEVICE void mlc_wgmma_commit() {}
template <int>
MLC_DEVICE void mlc_wgmma_wait() {}
template <class T>
MLC_DEVICE void mlc_wgmma_done(T &) {}
MLC_DEVICE void mlc_wgmma_begin_boxes() {}
#define MLC_WGMMA_OF(columns, count, a, b, at, bt, name, type)                                  \
  template <int, int>                                                                           \
  MLC_DEVICE void mlc_wgmma_of_m64n##columns##k16_##name(float (&)[count], uint64_t, uint64_t) { \
    asm volatile("trap;");                                                                      \
  }
#define MLC_WGMMA_HELD(columns, count, x, y, z, w, b, bt, more, name, type)                     \
  template <bool, bool>                                                                         \
  MLC_DEVICE void mlc_wgmma_held_m64n##columns##k16_##name(                                     \
      float (&)[count], uint32_t, uint32_t, uint32_t, uint32_t, const void *, unsigned) {       \
    asm volatile("trap;");                                                                      \
  }
#endif
#define MLC_WGMMA_KIND(name, type)                                  \
  MLC_WGMMA_OF(64, 32, 32, 33, 34, 35, name, type)                  \
  MLC_WGMMA_OF(128, 64, 64, 65, 66, 67, name, type)                 \
  MLC_WGMMA_OF(256, 128, 128, 129, 130, 131, name, type)            \
  MLC_WGMMA_HELD(64, 32, 32, 33, 34, 35, 36, 37, 38, name, type)    \
  MLC_WGMMA_HELD(128, 64, 64, 65, 66, 67, 68, 69, 70, name, type)   \
  MLC_WGMMA_HELD(256, 128, 128, 129, 130, 131, 132, 133, 134, name, type)
MLC_WGMMA_KIND(f16, "f16")
MLC_WGMMA_KIND(bf16, "bf16")
#undef MLC_WGMMA_KIND
#undef MLC_WGMMA_HELD
#undef MLC_WGMMA_OF

#define MLC_WGMMA(shape, count)                                                                 \
  MLC_DEVICE void mlc_wgmma_##shape(float (&d)[count], const void *a, unsigned a_along,         \
                                    unsigned a_across, const void *b, unsigned b_along,         \
                                    unsigned b_across) {                                        \
    mlc_wgmma_of_##shape<0, 0>(d, mlc_matrix_in_shared(a, a_along, a_across),                   \
                               mlc_matrix_in_shared(b, b_along, b_across));                     \
  }                                                                                             \
  template <bool a_turned, bool b_turned>                                                       \
  MLC_DEVICE void mlc_wgmma_boxes_##shape(float (&d)[count], const void *a, unsigned a_across,  \
                                          const void *b, unsigned b_across) {                   \
    mlc_wgmma_of_##shape<a_turned, b_turned>(d, mlc_boxes_in_shared(a, a_across),               \
                                             mlc_boxes_in_shared(b, b_across));                 \
  }
MLC_WGMMA(m64n64k16_f16, 32)
MLC_WGMMA(m64n64k16_bf16, 32)
MLC_WGMMA(m64n128k16_f16, 64)
MLC_WGMMA(m64n128k16_bf16, 64)
MLC_WGMMA(m64n256k16_f16, 128)
MLC_WGMMA(m64n256k16_bf16, 128)
#undef MLC_WGMMA

// wmma: tiles of 16 x 16 x 16 in registers of which only these functions know what they hold. `step`
// is the number of elements between the rows of a tile (between its columns, for `col`).
#define MLC_OUT_4(r) "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
#define MLC_OUT_8(r) MLC_OUT_4(r), "=r"(r[4]), "=r"(r[5]), "=r"(r[6]), "=r"(r[7])
#define MLC_IN_4(r) "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
#define MLC_IN_8(r) MLC_IN_4(r), "r"(r[4]), "r"(r[5]), "r"(r[6]), "r"(r[7])
// `held`, `left` and `right` name the registers of an operand, of which there are `count`.
#define MLC_WMMA_LOAD(operand, order, name, count, held, at, by)                                \
  MLC_DEVICE void mlc_wmma_load_##operand##_##order##_##name(                                   \
      uint32_t (&r)[count], const void *tile, unsigned step) {                                  \
    asm volatile("wmma.load." #operand ".sync.aligned." #order ".m16n16k16." #name " {" held    \
                 "}, [%" #at "], %" #by ";"                                                     \
                 : MLC_OUT_##count(r) : "l"(tile), "r"(step) : "memory");                       \
  }
#define MLC_WMMA_LOADS(name, count, held, at, by)                                               \
  MLC_WMMA_LOAD(a, row, name, count, held, at, by)                                              \
  MLC_WMMA_LOAD(a, col, name, count, held, at, by)                                              \
  MLC_WMMA_LOAD(b, row, name, count, held, at, by)                                              \
  MLC_WMMA_LOAD(b, col, name, count, held, at, by)
MLC_WMMA_LOADS(f16, 8, "%0, %1, %2, %3, %4, %5, %6, %7", 8, 9)
MLC_WMMA_LOADS(bf16, 4, "%0, %1, %2, %3", 4, 5)
#define MLC_WMMA(one, two, name, types, count, left, right)                                     \
  MLC_DEVICE void mlc_wmma_##one##_##two##_##name(float (&d)[8], const uint32_t (&a)[count],    \
                                                  const uint32_t (&b)[count]) {                 \
    asm volatile("wmma.mma.sync.aligned." #one "." #two ".m16n16k16." types                     \
                 " {%0, %1, %2, %3, %4, %5, %6, %7}, {" left "}, {" right "}, "                 \
                 "{%0, %1, %2, %3, %4, %5, %6, %7};"                                            \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]),      \
                   "+f"(d[6]), "+f"(d[7])                                                       \
                 : MLC_IN_##count(a), MLC_IN_##count(b));                                       \
  }
#define MLC_WMMAS(name, types, count, left, right)                                              \
  MLC_WMMA(row, row, name, types, count, left, right)                                           \
  MLC_WMMA(row, col, name, types, count, left, right)                                           \
  MLC_WMMA(col, row, name, types, count, left, right)                                           \
  MLC_WMMA(col, col, name, types, count, left, right)
MLC_WMMAS(f16, "f32.f32", 8, "%8, %9, %10, %11, %12, %13, %14, %15",
          "%16, %17, %18, %19, %20, %21, %22, %23")
MLC_WMMAS(bf16, "f32.bf16.bf16.f32", 4, "%8, %9, %10, %11", "%12, %13, %14, %15")
#undef MLC_WMMAS
#undef MLC_WMMA
#undef MLC_WMMA_LOADS
#undef MLC_WMMA_LOAD
MLC_DEVICE void mlc_wmma_store(float *tile, const float (&d)[8], unsigned step) {
  asm volatile("wmma.store.d.sync.aligned.row.m16n16k16.f32 [%8], {%0, %1, %2, %3, %4, %5, %6, %7}, %9;"
               :: "f"(d[0]), "f"(d[1]), "f"(d[2]), "f"(d[3]), "f"(d[4]), "f"(d[5]), "f"(d[6]), "f"(d[7]), "l"(tile), "r"(step) : "memory");
}
