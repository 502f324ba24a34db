/* SPDX-License-Identifier: 0BSD */
#include "core/server/transport.h"

#include "core/hooks.h"

const struct transport *srv_transport(void)
{
	FEATURE_EACH (f) {
		if (f->transport)
			return f->transport;
	}
	return NULL;
}

int srv_material_load(int data_fd, struct buf *material, struct buf *errors)
{
	const struct transport *tr = srv_transport();

	return tr ? tr->load(data_fd, material, errors) : 0;
}

int srv_material_check(int data_fd, struct buf *errors)
{
	struct buf material = {0};
	int rc = srv_material_load(data_fd, &material, errors);

	buf_wipe(&material);
	return rc;
}

int srv_material_send(struct ipc *gate, struct str material)
{
	struct buf frame = {0};
	int rc;

	buf_putstr(&frame, material);
	rc = frame.failed ? -1 : ipc_send(gate, SRV_MATERIAL, buf_str(&frame), -1);
	buf_wipe(&frame);
	return rc;
}

void transport_info_free(struct transport_info *i)
{
	buf_free(&i->version);
	buf_free(&i->certificate);
	buf_wipe(&i->exporter);
	buf_free(&i->endpoint);
}
