package aws

import (
	"os"
	"regexp"
	"strings"

	"scaleio-framework/platform"
)

// A Place is what the machine's firmware says about where it runs. It is read from files: nothing is asked over the network, and where there is no cloud
// nothing ever will be.
type Place struct {
	EC2        bool
	InstanceID string // Nitro's firmware has it; "" = it doesn't say
	Evidence   string
}

var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// IsInstanceID says whether a name has the form of an EC2 instance's id.
func IsInstanceID(id string) bool { return instanceID.MatchString(id) }

// Where this machine runs. In a container firmware is the host's, and so is its identity: it doesn't count there.
func Where(root platform.Root, container string) Place {
	if container != "" {
		return Place{Evidence: "container=" + container}
	}
	vendor, asset := line(root, "sys/class/dmi/id/sys_vendor"), line(root, "sys/class/dmi/id/board_asset_tag")
	uuid := line(root, "sys/hypervisor/uuid")
	if uuid == "" {
		uuid = line(root, "sys/class/dmi/id/product_uuid")
	}
	amazon := saysAmazon(root)
	var p Place
	switch {
	case vendor == "Amazon EC2":
		p = Place{EC2: true, Evidence: "sys_vendor=" + vendor}
		if IsInstanceID(asset) {
			p.InstanceID = asset
			p.Evidence += " board_asset_tag=" + asset
		}
	case ofXen(uuid) && amazon != "":
		p = Place{EC2: true, Evidence: "uuid=" + uuid + " " + amazon}
	default:
		p.Evidence = "sys_vendor=" + orDash(vendor)
	}
	return p
}

// saysAmazon gives what speaks for Amazon's own Xen: the version of its firmware or, of a paravirtual machine that has none, of the hypervisor.
func saysAmazon(root platform.Root) string {
	for _, file := range []string{"sys/class/dmi/id/bios_version", "sys/class/dmi/id/sys_vendor", "sys/hypervisor/version/extra"} {
		if text := line(root, file); strings.Contains(strings.ToLower(text), "amazon") {
			return strings.TrimPrefix(strings.TrimPrefix(file, "sys/class/dmi/id/"), "sys/") + "=" + text
		}
	}
	return ""
}

// ofXen: EC2's Xen instances have a UUID that begins with "ec2", on some with the first field's bytes the other way round. One in 4,096 machines of another
// Xen has too: alone it shows nothing.
func ofXen(uuid string) bool {
	uuid = strings.ToLower(uuid)
	return strings.HasPrefix(uuid, "ec2") || len(uuid) >= 8 && uuid[6:8]+uuid[4:5] == "ec2"
}

func line(root platform.Root, path string) string {
	text, err := os.ReadFile(root.Path(path))
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return first
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
