// Command guest runs in the virtual machine and does what the tests tell it over the second serial port.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"scaleio-framework/test/vm/serial"
)

const port = "/dev/ttyS1"

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func serve() error {
	// O_NOCTTY: signals of a terminal must not reach what it runs.
	fd, err := unix.Open(port, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", port, err)
	}
	if _, err := term.MakeRaw(fd); err != nil {
		return fmt.Errorf("setting up %s: %w", port, err)
	}
	line := os.NewFile(uintptr(fd), port)
	defer line.Close()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	return serial.Serve(line, serial.Hello{BootID: strings.TrimSpace(string(boot)), Kernel: strings.TrimSpace(string(kernel))})
}
