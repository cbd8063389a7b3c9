package scli

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"scaleio-framework/test/scaleio/mgmt"
)

var errNotApproved = failure("The certificate of the MDM was not approved")

// store is shared by all processes of one OS user, as the product's session is: parallel logins trample each other.
type store struct{ dir string }

// userDir is the user's home, or where that can't be written (hardened units) a directory of his own among the temporary ones.
func userDir() string {
	home, err := os.UserHomeDir()
	if err == nil {
		dir := filepath.Join(home, ".scli")
		if os.MkdirAll(dir, 0o700) == nil && writable(dir) {
			return dir
		}
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf(".scli-%d", os.Getuid()))
}

func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return false
	}
	_ = f.Close()
	return os.Remove(f.Name()) == nil
}

func (s store) session() string {
	raw, err := os.ReadFile(filepath.Join(s.dir, "session"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

func (s store) save(session string) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return failuref("Could not store the session: %v", err)
	}
	return os.WriteFile(filepath.Join(s.dir, "session"), []byte(session+"\n"), 0o600)
}

func (s store) forget() { _ = os.Remove(filepath.Join(s.dir, "session")) }

func (s store) loadTrust(trust *mgmt.Trust) {
	raw, err := os.ReadFile(filepath.Join(s.dir, "trusted.pem"))
	if err != nil {
		return
	}
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			trust.Add(certificate)
		}
	}
}

// approve shows a certificate seen for the first time; the next master has another one.
func (r *run) approve(certificate *x509.Certificate) error {
	if !r.has("approve_certificate") {
		r.print("Certificate info:\nsubject: %s\nissuer:  %s\nValid-From: %s\nValid-To:   %s\nThumbprint: %s\n", certificate.Subject, certificate.Issuer,
			certificate.NotBefore.UTC().Format(certificateTime), certificate.NotAfter.UTC().Format(certificateTime), mgmt.Thumbprint(certificate))
		fmt.Fprint(r.Stdout, "Press 'y' to approve this certificate and add it to the truststore")
		if !r.confirmed() {
			return errNotApproved
		}
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return failuref("Could not store the certificate: %v", err)
	}
	file, err := os.OpenFile(filepath.Join(r.Dir, "trusted.pem"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return failuref("Could not store the certificate: %v", err)
	}
	return errors.Join(pem.Encode(file, &pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), file.Close())
}

// tty is the controlling terminal: piping a password into scli doesn't work.
type tty struct{ file *os.File }

func openTTY() (Terminal, error) {
	file, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, failure("Could not open the terminal to read the password")
	}
	return tty{file}, nil
}

// ReadPassword turns the echo off before it asks, as getpass(3) does: what is typed right after the prompt doesn't show.
func (t tty) ReadPassword(prompt string) (string, error) {
	before, err := unix.IoctlGetTermios(int(t.file.Fd()), unix.TCGETS)
	if err != nil {
		return "", failuref("Could not read the terminal's settings: %v", err)
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(t.file.Fd()), unix.TCSETS, &silent); err != nil {
		return "", failuref("Could not turn the terminal's echo off: %v", err)
	}
	defer func() { _ = unix.IoctlSetTermios(int(t.file.Fd()), unix.TCSETS, before) }()
	if _, err := t.file.WriteString(prompt); err != nil {
		return "", failuref("Could not ask for the password: %v", err)
	}
	raw, err := term.ReadPassword(int(t.file.Fd()))
	_, _ = t.file.WriteString("\n")
	if err != nil {
		return "", failuref("Could not read the password: %v", err)
	}
	return string(raw), nil
}

func (t tty) Close() error { return t.file.Close() }

func (r *run) askPasswords(prompts ...string) ([]string, error) {
	terminal, err := r.Terminal()
	if err != nil {
		return nil, err
	}
	defer terminal.Close()
	var answers []string
	for _, prompt := range prompts {
		answer, err := terminal.ReadPassword(prompt)
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}
