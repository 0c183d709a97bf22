#ifndef LIG_PACKING_H
#define LIG_PACKING_H

/// Counts the layouts that the `_pack` functions have had. Caches on disk are keyed by it: raise it with every change of
/// what one of them writes. (KernelTests/PackingTests.swift notices.)
#define LIG_PACKING_VERSION 1

#endif
