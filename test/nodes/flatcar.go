package nodes

// flatcarRecipe: systemd, its systemd-sysext and D-Bus are Debian's own and real, and /usr is mounted read-only from the image, so that nothing can be put
// there but by a system extension. There are no package tools and no repository. The image is the root's own /usr; an update is another one (SetUsr).
func flatcarRecipe() (recipe, error) {
	r := commonRecipe("Flatcar Container Linux", flatcarRelease)
	r.Removed = append([]string{"usr/bin/perl*", "usr/share/perl*"}, debianTools...)
	r.Links["/etc/systemd/system/sysinit.target.wants/systemd-sysext.service"] = "/lib/systemd/system/systemd-sysext.service"
	return r, nil
}

// debianTools are what a root that presents another family must not have.
var debianTools = []string{"usr/bin/apt*", "usr/bin/dpkg*", "usr/sbin/dpkg*", "usr/lib/apt", "usr/lib/dpkg", "etc/apt", "etc/dpkg",
	"var/lib/apt", "var/lib/dpkg", "var/cache/apt", "var/log/apt", "var/log/dpkg.log", "usr/share/dpkg"}

const flatcarRelease = `NAME="Flatcar Container Linux by Kinvolk"
ID=flatcar
ID_LIKE=coreos
VERSION=4459.0.0
VERSION_ID=4459.0.0
BUILD_ID=2025-10-03-1920
SYSEXT_LEVEL=1.0
PRETTY_NAME="Flatcar Container Linux by Kinvolk 4459.0.0 (Oklo)"
ANSI_COLOR="38;5;75"
HOME_URL="https://flatcar.org/"
BUG_REPORT_URL="https://issues.flatcar.org"
FLATCAR_BOARD="amd64-usr"
CPE_NAME="cpe:2.3:o:flatcar-linux:flatcar_linux:4459.0.0:*:*:*:*:*:*:*"
`
