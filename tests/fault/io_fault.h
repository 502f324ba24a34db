/* SPDX-License-Identifier: 0BSD */
#ifndef TESTS_FAULT_IO_FAULT_H
#define TESTS_FAULT_IO_FAULT_H

/*
 * Stands in for core/store/io.c: its object is linked before the archive.  Counts every call that
 * changes the disk; the Nth can fail with an errno, or the power goes out at it.
 *
 * The power cut: what was written but not synced is dropped.  The layer keeps, beside the real files
 * below one directory, what a disk would hold: for each file the bytes of its last sync, and for each
 * directory the names of its last sync.  After the cut every call fails with EIO;
 * io_fault_restore() then makes the directory tree what the disk holds.
 *
 * That is the kindest disk.  `torn` keeps the first half of the writes the cut interrupted, and
 * io_fault_scatter() lets any of what was not synced arrive: sectors in any order, names made, replaced
 * or removed in any order.
 */

#include <stdbool.h>
#include <stdint.h>

/* Starts watching `dir` (which exists and whose contents count as durable). */
void io_fault_begin(const char *dir);
/* Fails the nth call from now (1 = the next, 0 = none) with `error`, once; later calls succeed.  What a
 * failed sync should have brought to the disk never gets there, and no later sync says so: that is
 * what Linux does. */
void io_fault_fail(unsigned long nth, int error);
/* The same, and every call after it: a disk that is full, or gone. */
void io_fault_fail_from(unsigned long nth, int error);
/* The same for the nth call, the one n calls later, and so on. */
void io_fault_fail_every(unsigned long n, int error);
/* A disk of so many bytes (0 = endless), of which others have some: what does not fit fails with ENOSPC,
 * whole.  Files that only TinyCDB writes count, but find room. */
void io_fault_disk(uint64_t bytes);
void io_fault_others(uint64_t bytes);
/* Bytes of it that are free. */
uint64_t io_fault_free(void);
/* Fails the call after the nth rename: as a rule the sync that should make the name durable. */
void io_fault_fail_renamed(unsigned long nth, int error);
/* The power goes at the nth call from now.  torn: its bytes and the other unsynced ones of that file
 * reach the disk in part. */
void io_fault_cut(unsigned long nth, bool torn);
/* The process dies at the nth call from now: this one and all later ones fail, but what was written
 * stays as it is in the page cache, synced or not, until io_fault_revive() begins the next life. */
void io_fault_kill(unsigned long nth);
/* The same, when the nth rename has been done. */
void io_fault_kill_renamed(unsigned long nth);
void io_fault_revive(void);
/* At the restore each sector (512 bytes) and each change of a name that was not synced is on the disk
 * or not, by chance.  0 = none. */
void io_fault_scatter(uint64_t seed);
unsigned long io_fault_calls(void);
bool io_fault_is_cut(void);
/* Number of renames that were done so far. */
unsigned long io_fault_renames(void);
/* Number of fdatasync() and fsync() calls so far. */
unsigned long io_fault_syncs(void);
/* Rewrites `dir` as the disk holds it, and watches no more. */
void io_fault_restore(void);
void io_fault_end(void);

#endif
