/* SPDX-License-Identifier: 0BSD */
#include "core/server/cli.h"

int main(int argc, char **argv)
{
	return srv_cli(argc, argv);
}
