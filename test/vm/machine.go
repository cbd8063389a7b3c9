package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"scaleio-framework/test/vm/qmp"
	"scaleio-framework/test/vm/serial"
)

// Machine is one virtual machine. It keeps its disks over Stop, Kill and Boot.
type Machine struct {
	Image Image
	Dir   string // its disks, sockets and what its console said
	log   *slog.Logger

	boots   int
	plugs   int
	power   *power // nil = off
	greeted serial.Hello
}

// power is what there is of a machine only while it runs.
type power struct {
	qemu   *exec.Cmd
	exited chan struct{} // closed once qemu has ended
	err    error         // how; to be read after that
	line   *serial.Client
	qmp    *qmp.Client
}

// Disk is an NVMe disk.
type Disk struct {
	Image  string // file; raw
	Serial string
}

// Boot says how the machine is started.
type Boot struct {
	Kernel Kernel
	Args   []string // of the kernel, besides those that it always gets
	Disks  []Disk   // besides the root's; which name each gets is chance
}

// bootWithin bounds a boot. With both cores free 30 seconds are usual; emulation is slow where they aren't.
const bootWithin = 5 * time.Minute

// hotplugPorts is how many disks can be plugged in while the machine runs.
const hotplugPorts = 4

// New makes a machine in dir with its own copy of the image's root disk.
func New(ctx context.Context, image Image, dir string, log *slog.Logger) (*Machine, error) {
	m := &Machine{Image: image, Dir: dir, log: log}
	if err := copyImage(ctx, image.Disk, m.RootDisk()); err != nil {
		return nil, fmt.Errorf("making the machine: %w", err)
	}
	return m, nil
}

// RootDisk is its file on the host.
func (m *Machine) RootDisk() string { return filepath.Join(m.Dir, "root.img") }

// MakeDisk makes an empty disk; it takes no space until it is written to.
func (m *Machine) MakeDisk(name string, size int64) (Disk, error) {
	d := Disk{Image: filepath.Join(m.Dir, name+".img"), Serial: name}
	file, err := os.Create(d.Image)
	if err == nil {
		err = file.Truncate(size)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return d, fmt.Errorf("making the disk %s: %w", name, err)
	}
	return d, nil
}

// Inject copies the files below dir onto the root disk; the machine must be off.
func (m *Machine) Inject(ctx context.Context, dir string) error {
	return inject(ctx, m.RootDisk(), dir)
}

// InstalledKernel is what its boot loader would start now; the machine must be off.
func (m *Machine) InstalledKernel(ctx context.Context) (Kernel, error) {
	release, err := installedKernel(ctx, m.RootDisk())
	if err != nil {
		return Kernel{}, err
	}
	for _, k := range m.Image.Kernels {
		if k.Release == release {
			return k, nil
		}
	}
	return Kernel{}, fmt.Errorf("looking for kernel %s: it isn't one of the image's", release)
}

func (m *Machine) arguments(b Boot) []string {
	kernel := append([]string{"console=ttyS0", "root=PARTUUID=" + rootPartition, "rw", "panic=-1", "net.ifnames=0", "systemd.show_status=0", "modprobe.blacklist=kvm_amd"}, b.Args...)
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
		"-no-reboot", // a reboot ends qemu: the harness starts it again, with the kernel that is installed then
		"-kernel", b.Kernel.Image, "-append", strings.Join(kernel, " "),
		"-chardev", "file,id=console,path=" + m.consoleFile(), "-serial", "chardev:console",
		"-chardev", "socket,id=line,path=" + m.path("line.sock"), "-serial", "chardev:line",
		"-qmp", "unix:" + m.path("qmp.sock"),
		"-netdev", "user,id=net0,ipv6=off", "-device", "virtio-net-pci,netdev=net0",
	}
	disks := append([]Disk{{Image: m.RootDisk(), Serial: "root0"}}, b.Disks...)
	for i, d := range disks {
		id := fmt.Sprintf("disk%d", i)
		args = append(args, "-drive", drive(id, d), "-device", "nvme,drive="+id+",serial="+d.Serial)
	}
	for i := range hotplugPorts {
		args = append(args, "-device", fmt.Sprintf("pcie-root-port,id=port%d,slot=%d", i, i+1))
	}
	return args
}

func drive(id string, d Disk) string {
	return "if=none,id=" + id + ",format=raw,discard=unmap,file=" + d.Image
}

func (m *Machine) path(name string) string { return filepath.Join(m.Dir, name) }

func (m *Machine) consoleFile() string { return m.path(fmt.Sprintf("console-%d.log", m.boots)) }

// Start boots the machine and returns once every unit of the boot has started.
func (m *Machine) Start(ctx context.Context, b Boot) error {
	if m.power != nil {
		return errors.New("starting the machine: it runs already")
	}
	m.boots++
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, bootWithin, fmt.Errorf("not booted within %v: see %s", bootWithin, m.consoleFile()))
	defer cancel()
	if err := m.switchOn(ctx, b); err != nil {
		return fmt.Errorf("starting the machine with kernel %s: %w", b.Kernel.Release, err)
	}
	var err error
	if m.greeted, err = m.power.line.Greeting(ctx); err != nil {
		return fmt.Errorf("booting kernel %s: %w: %s", b.Kernel.Release, err, m.consoleTail())
	}
	if m.greeted.Kernel != b.Kernel.Release {
		return fmt.Errorf("booting kernel %s: %s runs", b.Kernel.Release, m.greeted.Kernel)
	}
	state, err := m.RunFor(ctx, bootWithin, "systemctl", "is-system-running", "--wait")
	if err != nil {
		return fmt.Errorf("booting kernel %s: %w", b.Kernel.Release, err)
	}
	m.log.Info("the machine has booted", "kernel", b.Kernel.Release, "state", strings.TrimSpace(state.Stdout), "dur", time.Since(began).Round(time.Second))
	return nil
}

// switchOn starts qemu, which calls back on both sockets.
func (m *Machine) switchOn(ctx context.Context, b Boot) error {
	line, err := m.listen("line.sock")
	if err != nil {
		return err
	}
	defer line.Close()
	control, err := m.listen("qmp.sock")
	if err != nil {
		return err
	}
	defer control.Close()
	said, err := os.OpenFile(m.path("qemu.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer said.Close()
	p := &power{qemu: exec.Command("qemu-system-x86_64", m.arguments(b)...), exited: make(chan struct{})}
	p.qemu.Stdout, p.qemu.Stderr = said, said
	p.qemu.SysProcAttr = dieWithUs()
	if err := p.qemu.Start(); err != nil {
		return fmt.Errorf("starting qemu: %w", err)
	}
	m.power = p
	go func() {
		p.err = p.qemu.Wait()
		close(p.exited)
		_ = line.Close()
		_ = control.Close()
	}()
	conn, err := m.accept(ctx, line)
	if err != nil {
		return err
	}
	p.line = serial.NewClient(conn)
	if conn, err = m.accept(ctx, control); err != nil {
		return err
	}
	p.qmp, err = qmp.New(ctx, conn)
	return err
}

func (m *Machine) listen(name string) (*net.UnixListener, error) {
	_ = os.Remove(m.path(name)) // of the boot before
	return net.ListenUnix("unix", &net.UnixAddr{Name: m.path(name), Net: "unix"})
}

func (m *Machine) accept(ctx context.Context, l *net.UnixListener) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	conn, err := l.Accept()
	if err != nil {
		text, _ := os.ReadFile(m.path("qemu.log"))
		return nil, fmt.Errorf("waiting for qemu: %w: %s", errors.Join(err, context.Cause(ctx)), tail(string(text)))
	}
	return conn, nil
}

func (m *Machine) consoleTail() string {
	text, _ := os.ReadFile(m.consoleFile())
	return tail(string(text))
}

// BootID of the present boot.
func (m *Machine) BootID() string { return m.greeted.BootID }

// Running is whether it has power.
func (m *Machine) Running() bool {
	if m.power == nil {
		return false
	}
	select {
	case <-m.power.exited:
		return false
	default:
		return true
	}
}

// Ended waits until the machine is off, by its own doing: a reboot that it asked for, too.
func (m *Machine) Ended(ctx context.Context) error {
	if m.power == nil {
		return nil
	}
	select {
	case <-m.power.exited:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the machine's end: %w", context.Cause(ctx))
	}
	err := m.power.err
	_ = m.power.line.Close()
	_ = m.power.qmp.Close()
	m.power = nil
	if err != nil {
		return fmt.Errorf("ending the machine: %w", err)
	}
	return settle(ctx, m.RootDisk())
}

// Stop shuts it down in order.
func (m *Machine) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("not off within 2 minutes"))
	defer cancel()
	if _, err := m.Output(ctx, "systemctl", "poweroff", "--no-block"); err != nil {
		return err
	}
	return m.Ended(ctx)
}

// Kill cuts its power.
func (m *Machine) Kill(ctx context.Context) error {
	if m.power == nil {
		return nil
	}
	_ = m.power.qemu.Process.Kill()
	<-m.power.exited
	m.power.err = nil
	if m.power.line == nil || m.power.qmp == nil { // it never came as far
		m.power = nil
		return nil
	}
	return m.Ended(ctx)
}

// Plug puts a disk into one of hotplugPorts while the machine runs.
func (m *Machine) Plug(ctx context.Context, port int, d Disk) error {
	m.plugs++
	id := fmt.Sprintf("plugged%d", m.plugs)
	if _, err := m.power.qmp.Execute(ctx, "blockdev-add", map[string]any{
		"driver": "raw", "node-name": id, "file": map[string]any{"driver": "file", "filename": d.Image},
	}); err != nil {
		return fmt.Errorf("plugging disk %s in: %w", d.Serial, err)
	}
	if _, err := m.power.qmp.Execute(ctx, "device_add", map[string]any{
		"driver": "nvme", "id": "nvme-" + d.Serial, "drive": id, "serial": d.Serial, "bus": fmt.Sprintf("port%d", port),
	}); err != nil {
		return fmt.Errorf("plugging disk %s in: %w", d.Serial, err)
	}
	return nil
}

// Unplug takes it out; it returns once the machine has let go of it.
func (m *Machine) Unplug(ctx context.Context, d Disk) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the machine doesn't let go of it"))
	defer cancel()
	if _, err := m.power.qmp.Execute(ctx, "device_del", map[string]any{"id": "nvme-" + d.Serial}); err != nil {
		return fmt.Errorf("unplugging disk %s: %w", d.Serial, err)
	}
	for { // parts of the device are told of, too
		event, err := m.power.qmp.Wait(ctx, "DEVICE_DELETED")
		if err != nil {
			return fmt.Errorf("unplugging disk %s: %w", d.Serial, err)
		}
		var gone struct{ Device string }
		if err := json.Unmarshal(event.Data, &gone); err != nil {
			return fmt.Errorf("unplugging disk %s: reading what qemu says: %w", d.Serial, err)
		}
		if gone.Device == "nvme-"+d.Serial {
			return nil
		}
	}
}
