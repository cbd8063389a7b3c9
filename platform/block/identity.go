package block

import (
	"regexp"
	"strings"
)

// identity of a disk: what stays the same across reboots and never names two disks. The serial is given besides for people.
func (s *Scanner) identity(name, kind, model string) (id, serial string) {
	switch kind {
	case TypeLoop:
		file := s.attribute(name, "loop/backing_file")
		if strings.HasSuffix(file, " (deleted)") { // nothing will find it again
			return "", ""
		}
		return file, ""
	case TypeDM:
		if uuid := s.attribute(name, "dm/uuid"); uuid != "" {
			return "dm-uuid-" + uuid, ""
		}
		return "", ""
	case TypeMD:
		if uuid := s.attribute(name, "md/uuid"); uuid != "" {
			return "md-uuid-" + uuid, ""
		}
		return "", ""
	}
	serial = firstOf(s.attribute(name, "device/serial"), s.attribute(name, "serial")) // NVMe; virtio
	if model == s.ebsModel {
		return ebsVolumeID(serial), serial
	}
	for _, wwid := range []string{s.attribute(name, "wwid"), s.attribute(name, "device/wwid")} { // NVMe; SCSI
		if meansSomething(wwid) {
			return joinWords(wwid), serial
		}
	}
	if meansSomething(serial) {
		return joinWords(serial), serial
	}
	return "", serial
}

var ebsSerial = regexp.MustCompile(`^vol-?([0-9a-f]{8,17})$`)

// ebsVolumeID spells the id as EC2 does: the serial has no dash.
func ebsVolumeID(serial string) string {
	if m := ebsSerial.FindStringSubmatch(serial); m != nil {
		return "vol-" + m[1]
	}
	return ""
}

// meansSomething sorts out identities that cheap or emulated disks share: empty, or nothing but zeros after the kind of identifier.
func meansSomething(id string) bool {
	_, value, ok := strings.Cut(id, ".") // "eui.0000000000000000", "naa.5000..."
	if !ok {
		value = id
	}
	return strings.Trim(value, "0 -.") != ""
}

// joinWords makes one word of an identifier that is padded with blanks.
func joinWords(s string) string { return strings.Join(strings.Fields(s), "_") }

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
