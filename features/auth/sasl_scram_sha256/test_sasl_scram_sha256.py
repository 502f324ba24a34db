# SPDX-License-Identifier: 0BSD
"""SCRAM-SHA-256 on the wire, with a client written by hand (RFC 5802)."""

from harness import sasl

NAME = "SCRAM-SHA-256"


class TestScram(sasl.ScramTests):
    name = NAME
    symbol = "SASL_SCRAM_SHA256"


def test_the_made_up_salt_of_an_unknown_user_outlives_a_restart(fresh, config):
    if "SASL_SCRAM_SHA256" not in config:
        sasl.check_off(fresh.start(), NAME)
        return
    salts = set()
    for _ in range(2):
        fresh.start()
        with sasl.connect(fresh) as wire:
            salts.add(sasl.scram(wire, NAME, "nobody", "x")[1].salt)
        fresh.stop()
        fresh.add_user("another" + str(len(salts)) + str(fresh.imap_port % 7) + str(_))
    assert len(salts) == 1


def test_every_user_can_use_it_also_an_imported_one(server, config):
    if "SASL_SCRAM_SHA256" not in config:
        sasl.check_off(server, NAME)
        return
    # RFC 7677 3
    server.cli("--data", str(server.data), "user", "import", "-",
               stdin="user:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
                     ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n")
    with sasl.connect(server) as wire:
        assert sasl.scram(wire, NAME, "user", "pencil")[0].ok()


def test_the_handwritten_client_computes_what_rfc_7677_prints():
    client = sasl.Scram(NAME, "user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    assert client.first() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    said = client.final(b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    assert said == ("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert client.verifier == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
