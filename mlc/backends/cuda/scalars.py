"""CUDA C functions with the exact meaning of the language, where C has none: by name, on demand.

Each stands in the source of a module that uses it, after those that it uses itself.
"""

from __future__ import annotations

import re

_TEXTS = """
// Notes a check that failed; of several the first one stays.
MLC_DEVICE void mlc_refuse(int64_t *record, int64_t number, int64_t index) {
  if (mlc_atomic_cas(record, (int64_t)0, number) == 0) record[1] = index;
}

MLC_DEVICE float mlc_inff() { return mlc_bits<float>(0x7f800000u); }

MLC_DEVICE double mlc_inf() { return mlc_bits<double>((uint64_t)0x7ff0000000000000ull); }

MLC_DEVICE float mlc_nanf() { return mlc_bits<float>(0x7fc00000u); }

MLC_DEVICE double mlc_nan() { return mlc_bits<double>((uint64_t)0x7ff8000000000000ull); }

// Sums, differences and products wrap around.
MLC_DEVICE int mlc_add(int a, int b) { return (int)((unsigned)a + (unsigned)b); }
MLC_DEVICE int64_t mlc_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }

MLC_DEVICE int mlc_sub(int a, int b) { return (int)((unsigned)a - (unsigned)b); }
MLC_DEVICE int64_t mlc_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

MLC_DEVICE int mlc_mul(int a, int b) { return (int)((unsigned)a * (unsigned)b); }
MLC_DEVICE int64_t mlc_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

template <class T>
MLC_DEVICE T mlc_abs(T a) {
  return a < 0 ? (T)(0 - (uint64_t)a) : a;
}

// The quotient rounded towards zero; 0 where the divisor is 0.
template <class T>
MLC_DEVICE T mlc_quotient(T a, T b) {
  if (b == 0) return 0;
  if ((T)-1 < 0 && b == (T)-1) return (T)(0 - (uint64_t)a);
  return a / b;
}

template <class T>
MLC_DEVICE T mlc_remainder(T a, T b) {
  if (b == 0 || ((T)-1 < 0 && b == (T)-1)) return 0;
  return a % b;
}

// The quotient rounded down.
template <class T>
MLC_DEVICE T mlc_floordiv(T a, T b) {
  const T quotient = mlc_quotient<T>(a, b), rest = mlc_remainder<T>(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? (T)(quotient - 1) : quotient;
}

// The remainder with the sign of the divisor.
template <class T>
MLC_DEVICE T mlc_mod(T a, T b) {
  const T rest = mlc_remainder<T>(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? (T)(rest + b) : rest;
}

template <class T>
MLC_DEVICE T mlc_power(T base, T exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if (base == (T)-1) return exponent % 2 ? base : (T)1;
    return 0;
  }
  uint64_t result = 1, factor = (uint64_t)base;
  for (uint64_t left = (uint64_t)exponent; left; left >>= 1) {
    if (left & 1) result *= factor;
    factor *= factor;
  }
  return (T)result;
}

// Counts that are not less than the width shift everything out.
template <class T>
MLC_DEVICE T mlc_shl(T a, T count) {
  return count >= 0 && (uint64_t)count < 8 * sizeof(T) ? (T)((uint64_t)a << count) : (T)0;
}

template <class T>
MLC_DEVICE T mlc_shr(T a, T count) {
  if (count >= 0 && (uint64_t)count < 8 * sizeof(T)) return (T)(a >> count);
  return a < 0 ? (T)-1 : (T)0;
}

// A NaN wins.
template <class T>
MLC_DEVICE T mlc_min(T a, T b) {
  return a != a || a < b ? a : b;
}

template <class T>
MLC_DEVICE T mlc_max(T a, T b) {
  return a != a || a > b ? a : b;
}

// A NaN loses.
template <class T>
MLC_DEVICE T mlc_fmin(T a, T b) {
  return b != b || a < b ? a : b;
}

template <class T>
MLC_DEVICE T mlc_fmax(T a, T b) {
  return b != b || a > b ? a : b;
}

MLC_DEVICE bool mlc_isnan(float a) { return a != a; }
MLC_DEVICE bool mlc_isnan(double a) { return a != a; }

MLC_DEVICE bool mlc_isinf(float a) { return fabsf(a) == mlc_inff(); }
MLC_DEVICE bool mlc_isinf(double a) { return fabs(a) == mlc_inf(); }

MLC_DEVICE bool mlc_isfinite(float a) { return fabsf(a) < mlc_inff(); }
MLC_DEVICE bool mlc_isfinite(double a) { return fabs(a) < mlc_inf(); }

MLC_DEVICE bool mlc_signbit(float a) { return mlc_bits<int>(a) < 0; }
MLC_DEVICE bool mlc_signbit(double a) { return mlc_bits<int64_t>(a) < 0; }

MLC_DEVICE float mlc_float_mod(float a, float b) {
  const float rest = fmodf(a, b);
  if (b == 0.0f) return rest;
  if (rest == 0.0f) return copysignf(0.0f, b);
  return (b < 0.0f) != (rest < 0.0f) ? rest + b : rest;
}
MLC_DEVICE double mlc_float_mod(double a, double b) {
  const double rest = fmod(a, b);
  if (b == 0.0) return rest;
  if (rest == 0.0) return copysign(0.0, b);
  return (b < 0.0) != (rest < 0.0) ? rest + b : rest;
}

MLC_DEVICE float mlc_float_floordiv(float a, float b) {
  if (b == 0.0f) return a / b;
  const float rest = fmodf(a, b);
  float quotient = (a - rest) / b;
  if (rest != 0.0f && (b < 0.0f) != (rest < 0.0f)) quotient -= 1.0f;
  if (quotient == 0.0f) return copysignf(0.0f, a / b);
  const float floor = floorf(quotient);
  return quotient - floor > 0.5f ? floor + 1.0f : floor;
}
MLC_DEVICE double mlc_float_floordiv(double a, double b) {
  if (b == 0.0) return a / b;
  const double rest = fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0.0 && (b < 0.0) != (rest < 0.0)) quotient -= 1.0;
  if (quotient == 0.0) return copysign(0.0, a / b);
  const double low = floor(quotient);
  return quotient - low > 0.5 ? low + 1.0 : low;
}

// Out of range: the least integer.
MLC_DEVICE int mlc_to_int(float a) {
  return a >= -2147483648.0f && a < 2147483648.0f ? (int)a : -2147483647 - 1;
}
MLC_DEVICE int mlc_to_int(double a) {
  return a > -2147483649.0 && a < 2147483648.0 ? (int)a : -2147483647 - 1;
}

MLC_DEVICE int64_t mlc_to_int64(float a) {
  const bool inside = a >= -9223372036854775808.0f && a < 9223372036854775808.0f;
  return inside ? (int64_t)a : -9223372036854775807ll - 1;
}
MLC_DEVICE int64_t mlc_to_int64(double a) {
  const bool inside = a >= -9223372036854775808.0 && a < 9223372036854775808.0;
  return inside ? (int64_t)a : -9223372036854775807ll - 1;
}

template <class T>
MLC_DEVICE uint64_t mlc_to_uint64(T a) {
  const T half = (T)9223372036854775808.0;
  if (a >= half) return (uint64_t)mlc_to_int64(a - half) ^ 0x8000000000000000ull;
  return (uint64_t)mlc_to_int64(a);
}

// The neighbour of a 16-bit float in the direction of another; of equal ones the first, if so said.
template <class T, bool is_first>
MLC_DEVICE T mlc_nextafter(T x, T y) {
  const float a = float(x), b = float(y);
  const uint16_t bits = mlc_bits<uint16_t>(x), toward = mlc_bits<uint16_t>(y);
  if (a != a || b != b) return T(a + b);
  if (a == b) return is_first ? x : y;
  if (a == 0.0f) return mlc_bits<T>((uint16_t)((toward & 0x8000) | 1));
  const bool away = (b > a) != ((bits & 0x8000) != 0);
  return mlc_bits<T>((uint16_t)(away ? bits + 1 : bits - 1));
}
"""

_NAME = re.compile(r"\bmlc_\w+")


def _by_name() -> dict[str, str]:
    found: dict[str, str] = {}
    for part in _TEXTS.strip().split("\n\n"):
        heads = re.findall(r"^MLC_DEVICE [\w ]+? (mlc_\w+)\(", part, re.MULTILINE)
        assert heads, part
        found[heads[0]] = part
    return found


_BY_NAME = _by_name()


def functions_for(text: str) -> str:
    """The functions that ``text`` calls, and those that these call."""
    needed: set[str] = set()
    waiting = [text]
    while waiting:
        for name in _NAME.findall(waiting.pop()):
            if name in _BY_NAME and name not in needed:
                needed.add(name)
                waiting.append(_BY_NAME[name])
    return "\n\n".join(part for name, part in _BY_NAME.items() if name in needed)
