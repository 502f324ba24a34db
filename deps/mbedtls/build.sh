# SPDX-License-Identifier: 0BSD
# Hashes, and what later features ask for in NEEDS; our configuration takes the place of theirs.

. "$COMPILE"
cp "$RECIPE/mbedtls_config.h" include/mbedtls/mbedtls_config.h
export CPPFLAGS="-Iinclude -Ilibrary"
compile_library libmbedcrypto.a library/*.c
mkdir -p "$OUT/include"
cp -r include/mbedtls include/psa "$OUT/include/"
