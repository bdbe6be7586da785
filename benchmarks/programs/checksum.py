"""A cyclic redundancy check of 16 bits, bit by bit."""

import numpy as np

SIZE, TINY = 3000, 20


def make(size):
    return np.random.default_rng(0).integers(0, 256, size).astype(np.uint8), 0x8408


def checksum(data, polynomial):
    crc = 0xFFFF
    for b in data:
        cur_byte = 0xFF & b
        for _ in range(0, 8):
            if (crc & 0x0001) ^ (cur_byte & 0x0001):
                crc = (crc >> 1) ^ polynomial
            else:
                crc >>= 1
            cur_byte >>= 1
    crc = ~crc & 0xFFFF
    crc = (crc << 8) | ((crc >> 8) & 0xFF)
    return crc & 0xFFFF
