package nodes

// RepositoryURL is where apt on the nodes looks for packages. They have no other
// network.
const RepositoryURL = "http://" + Gateway + ":8099/apt"

// ubuntuRecipe: apt, dpkg, systemd and D-Bus are Debian's own and real.
func ubuntuRecipe() recipe {
	r := commonRecipe("Ubuntu 22.04", ubuntuRelease)
	r.Served = "apt"
	r.Offered = []string{"libaio1", "numactl", "libnuma1"}
	r.Empty = map[string]string{"openjdk-8-jre-headless": "8u392-ga-1~22.04"} // Debian 12 lacks it
	r.Files["/etc/apt/sources.list"] = "deb [signed-by=/usr/share/keyrings/node-mirror.gpg] " + RepositoryURL + " jammy main\n"
	r.Files["/etc/apt/apt.conf.d/90nodes"] = "Acquire::Languages \"none\";\nAPT::Install-Recommends \"false\";\n"
	return r
}

const ubuntuRelease = `PRETTY_NAME="Ubuntu 22.04.5 LTS"
NAME="Ubuntu"
VERSION_ID="22.04"
VERSION="22.04.5 LTS (Jammy Jellyfish)"
VERSION_CODENAME=jammy
ID=ubuntu
ID_LIKE=debian
HOME_URL="https://www.ubuntu.com/"
SUPPORT_URL="https://help.ubuntu.com/"
BUG_REPORT_URL="https://bugs.launchpad.net/ubuntu/"
UBUNTU_CODENAME=jammy
`
