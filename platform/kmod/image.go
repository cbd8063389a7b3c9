package kmod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"scaleio-framework/platform"
)

// Partitions of Flatcar's two /usr, by the GUIDs that every installation has.
const (
	usrA = "7130c94a-213a-4e5a-8e26-6cce9662f132"
	usrB = "e03dd35c-7c2d-4a47-b3fe-27f15780a57c"
)

// otherSlot is the kernel of the /usr that isn't in use: an update was written there.
func otherSlot(files Files) (Next, error) {
	cmdline, err := line(files, "/proc/cmdline")
	if err != nil {
		return Next{}, err
	}
	var other string
	switch lower := strings.ToLower(cmdline); {
	case strings.Contains(lower, usrA) || strings.Contains(lower, "vmlinuz-a"):
		other = "b"
	case strings.Contains(lower, usrB) || strings.Contains(lower, "vmlinuz-b"):
		other = "a"
	default:
		return Next{}, fmt.Errorf("the kernel's command line names none of the two /usr: %.200q", cmdline)
	}
	image, err := slotImage(files, other)
	if err != nil {
		return Next{}, err
	}
	if image == "" {
		return Next{}, fmt.Errorf("an update waits, and its kernel isn't to be found (vmlinuz-%s under /boot/flatcar): is /boot mounted?", other)
	}
	release, err := imageRelease(files, image)
	return Next{release, "the update that waits in slot " + strings.ToUpper(other)}, err
}

// slotImage finds a slot's kernel; the folder has the old name on machines that were CoreOS.
func slotImage(files Files, slot string) (string, error) {
	for _, dir := range []string{"/boot/flatcar", "/boot/coreos"} {
		name := dir + "/vmlinuz-" + slot
		_, _, err := files.Stat(name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, platform.ErrNotFound) {
			return "", err
		}
	}
	return "", nil
}

func imageRelease(files Files, name string) (string, error) {
	data, err := files.Read(name)
	if err != nil {
		return "", err
	}
	release, err := ImageRelease(data)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return release, nil
}

// ImageRelease reads the release from a bzImage: the setup header says where its version string stands (Documentation/arch/x86/boot.rst).
func ImageRelease(image []byte) (string, error) {
	const magicAt, pointerAt, base, longest = 0x202, 0x20e, 0x200, 128
	if len(image) < pointerAt+2 || !bytes.Equal(image[magicAt:magicAt+4], []byte("HdrS")) {
		return "", errors.New("not a bootable kernel image")
	}
	at := base + int(binary.LittleEndian.Uint16(image[pointerAt:]))
	if at == base || at >= len(image) {
		return "", errors.New("the kernel image has no version")
	}
	text := image[at:min(len(image), at+longest)]
	if end := bytes.IndexAny(text, "\x00 "); end > 0 {
		return string(text[:end]), nil
	}
	return "", errors.New("the kernel image's version doesn't end")
}
