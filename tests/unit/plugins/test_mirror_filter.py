"""The host's mirror, for another release."""

import pytest

from plugins.filter.mirror import mirror

DEB822 = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""
ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian.gpg] https://near.example/debian trixie main contrib
deb-src https://near.example/debian trixie main
deb https://near.example/debian-security trixie-security main
"""
OTHERS = """\
deb https://packages.example/apt cloud-bookworm main
Types: deb
URIs: https://deb.example/node
Suites: nodistro
Components: main
"""


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        pytest.param(
            [DEB822],
            [
                "deb http://mirror.example/debian trixie main",
                "deb http://mirror.example/debian trixie-updates main",
                "deb http://mirror.example/debian-security trixie-security main",
            ],
            id="deb822",
        ),
        pytest.param(
            [ONE_LINE],
            [
                "deb https://near.example/debian trixie main",
                "deb https://near.example/debian-security trixie-security main",
            ],
            id="one-line",
        ),
        pytest.param([OTHERS + "\n" + DEB822], mirror([DEB822], "trixie"), id="other archives are not Debian's"),
        pytest.param([OTHERS], [], id="no archive of Debian"),
        pytest.param(
            [DEB822.replace("Types: deb\n", "Enabled: no\nTypes: deb\n")], mirror([DEB822], "trixie")[:2], id="off"
        ),
        pytest.param(
            ["deb cdrom:[Debian]/ bookworm main\ndeb file:/srv bookworm main\n"], [], id="nothing to download from"
        ),
        pytest.param([], [], id="no file"),
    ],
)
def test_mirror(texts, found):
    assert mirror(texts, "trixie") == found
