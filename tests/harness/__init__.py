# SPDX-License-Identifier: 0BSD
"""What wire tests share: a running Satchel, and ways to talk to it."""
