/* SPDX-License-Identifier: 0BSD */
#include "tests/unit/scram_testing.h"

extern const struct feature sasl_scram_sha512_feature;

/* computed with another program; no RFC prints one */
static const struct scram_example example = {
	.feature = &sasl_scram_sha512_feature,
	.salt = "W22ZaJ0SNY7soEsUEjb6gQ==",
	.message =
		"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	.proof =
		"gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN"
		"8PPC6wdp6dybEmDYXYTxwnYPJQ==",
	.verifier =
		"ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSe"
		"VGT4+5ZxXnJq199RVG2rR7N7Zw==",
};

int main(void)
{
	return scram_run_tests(&example);
}
