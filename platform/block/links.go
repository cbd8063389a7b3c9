package block

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const linkDir = "/dev/disk/by-id/"

// linkKinds are the beginnings of links that udev makes of a whole disk's own identity, the one that says most first. Others come from what is on a disk (LVM,
// md, file systems) and go to another disk with a copy of that.
var linkKinds = []string{"wwn-", "nvme-eui.", "nvme-uuid.", "nvme-", "scsi-", "ata-", "virtio-"}

// links finds the best link of each disk. A link is believed for where it leads now.
func (s *Scanner) links() map[number]string {
	entries, err := os.ReadDir(s.root.Path(linkDir))
	if err != nil { // no udev: a container
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if linkKind(e.Name()) >= 0 {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(linkKind(a), linkKind(b)), cmp.Compare(a, b)) })
	found := map[number]string{}
	for _, name := range names {
		num, is, err := s.devices.number(s.root.Path(linkDir, name))
		if err != nil || !is {
			continue
		}
		if _, ok := found[num]; !ok {
			found[num] = filepath.Join(linkDir, name)
		}
	}
	return found
}

func linkKind(name string) int {
	return slices.IndexFunc(linkKinds, func(kind string) bool { return strings.HasPrefix(name, kind) })
}
