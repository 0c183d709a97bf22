#ifndef LIG_SYSTEM_H
#define LIG_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

// Files that are mapped, and what happens when one becomes shorter meanwhile.
//
// A page of a mapped file that the file no longer has cannot be read: the system sends SIGBUS. There is nothing to
// return to then, since any load of a weight may be the one. But a program can say why it ends.

/// Remembers that these bytes are mapped from the file of that name. At most 1024 are remembered at a time.
void lig_mapping_add(const void *start, size_t count, const char *name);
void lig_mapping_remove(const void *start);

/// From now on, reading what a mapped file no longer has ends the program with a line on standard error that names the
/// file, and the given exit code. Other causes of SIGBUS stay what they were.
void lig_mapping_guard(int exit_code);

/// The processor cores that this process may run on; at least 1.
int lig_bound_cores(void);

/// The SHA-256 digest of those bytes.
void lig_sha256(const void *bytes, size_t count, uint8_t digest[32]);

#endif
