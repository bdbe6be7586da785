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
