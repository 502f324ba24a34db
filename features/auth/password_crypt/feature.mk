# SPDX-License-Identifier: 0BSD
# musl has it in libc.
host-libs += -lcrypt
