/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/scram_testing.h"

extern const struct feature sasl_scram_sha1_feature;

/* RFC 5802 5 */
static const struct scram_example example = {
	.feature = &sasl_scram_sha1_feature,
	.salt = "QSXCR+Q6sek8bf92",
	.message =
		"n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
		"s=QSXCR+Q6sek8bf92,i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
	.proof = "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	.verifier = "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
};

int main(void)
{
	return scram_run_tests(&example);
}
