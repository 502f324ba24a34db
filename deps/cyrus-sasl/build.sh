# SPDX-License-Identifier: 0BSD
# libsasl2 without its autotools: the server half of the library, and the mechanisms in NEEDS.
# lib/dlopen.c and its static table are replaced by our plugins.c: a mechanism is in the program when
# a feature calls sasl_server_add_plugin with it, and not otherwise.

. "$COMPILE"
mkdir inc inc/sasl
cp "$RECIPE/config.h" inc/config.h
cp include/*.h inc/
cp "$RECIPE/scram.h" inc/satchel_scram.h
cp inc/*.h inc/sasl/
rm inc/sasl/config.h
mkdir inc/openssl
cp "$RECIPE/evp.h" inc/openssl/evp.h
: >inc/openssl/sha.h
: >inc/openssl/hmac.h
# EXTERNAL is a mechanism as any other: registered by who chose it.
cp lib/external.c plugins/external.c
cp common/plugin_common.c common/plugin_common.h plugins/
# Without the table that names every hash, and without the client half.
{
	sed '/^static sasl_server_plug_t scram_server_plugins/,$d' plugins/scram.c
	cat "$RECIPE/scram_end.c"
} >plugins/scram_server.c
cp "$RECIPE/plugins.c" lib/satchel_plugins.c
cp "$RECIPE/format.c" lib/satchel_format.c
cp "$RECIPE/random.c" lib/satchel_random.c
export CPPFLAGS="-Iinc -Ilib -Iplugins -D_GNU_SOURCE -DNDEBUG -w"
mechs=''
for mech in $NEEDS; do
	mechs="$mechs plugins/$mech.c"
done
# shellcheck disable=SC2086
compile_library libsasl2.a lib/auxprop.c lib/canonusr.c lib/checkpw.c lib/common.c \
	 lib/md5.c lib/saslutil.c lib/server.c lib/seterror.c lib/satchel_plugins.c lib/satchel_format.c \
	lib/satchel_random.c plugins/plugin_common.c $mechs
mkdir -p "$OUT/include"
cp -r inc/sasl "$OUT/include/"
