
/* SPDX-License-Identifier: 0BSD */
/* From here on our own: takes the place of scram.c's table of five hashes and its client half. */
int satchel_scram_init(const struct satchel_scram *h, sasl_server_plug_t *plugin, int max_version,
	int *version_r, sasl_server_plug_t **list_r, int *count_r)
{
	if (max_version < SASL_SERVER_PLUG_VERSION)
		return SASL_BADVERS;
	*plugin = (sasl_server_plug_t){
		.mech_name = h->mechanism,
		.security_flags = SASL_SET_HASH_STRENGTH_BITS(h->size * 8) | SASL_SEC_NOPLAINTEXT |
			SASL_SEC_NOACTIVE | SASL_SEC_NOANONYMOUS | SASL_SEC_MUTUAL_AUTH,
		.features = SASL_FEAT_ALLOWS_PROXY | SASL_FEAT_CHANNEL_BINDING,
		.glob_context = (void *)h,
		.mech_new = scram_server_mech_new,
		.mech_step = scram_server_mech_step,
		.mech_dispose = scram_server_mech_dispose,
	};
	*version_r = SASL_SERVER_PLUG_VERSION;
	*list_r = plugin;
	*count_r = 1;
	return SASL_OK;
}
