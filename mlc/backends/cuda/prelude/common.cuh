// Functions of kernels that are the same text on a card and on the processor.
#ifndef MLC_COMMON
#define MLC_COMMON
#endif
