# SPDX-License-Identifier: 0BSD
# The library alone: readers and writers of constant databases.

. "$COMPILE"
export CPPFLAGS="-D_FILE_OFFSET_BITS=64"
compile_library libcdb.a cdb_init.c cdb_find.c cdb_findnext.c cdb_seq.c cdb_seek.c cdb_unpack.c \
	cdb_make_add.c cdb_make_put.c cdb_make.c cdb_hash.c
mkdir -p "$OUT/include"
cp cdb.h "$OUT/include/"
