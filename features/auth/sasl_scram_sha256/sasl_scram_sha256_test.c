/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/scram_testing.h"

extern const struct feature sasl_scram_sha256_feature;

/* RFC 7677 3 */
static const struct scram_example example = {
	.feature = &sasl_scram_sha256_feature,
	.salt = "W22ZaJ0SNY7soEsUEjb6gQ==",
	.message =
		"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	.proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	.verifier = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

int main(void)
{
	return scram_run_tests(&example);
}
