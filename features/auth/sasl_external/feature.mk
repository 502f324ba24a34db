# SPDX-License-Identifier: 0BSD
cyrus-sasl-needs += external
