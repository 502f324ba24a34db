# SPDX-License-Identifier: 0BSD
cyrus-sasl-needs += digestmd5
