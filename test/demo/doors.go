package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// Where a person on this machine finds the scheduler and Mesos.
const (
	schedulerURL = "https://127.0.0.1:9443"
	mesosURL     = "http://127.0.0.1:5050"
)

// doors are the ports of this machine's loopback that lead into the cluster.
var doors = []string{"9443", "5050"}

// doorsFree says before anything is built or booted that somebody else has a port.
func doorsFree() error {
	for _, port := range doors {
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			return fmt.Errorf("the demo needs port %s of this machine's loopback (`ss -ltnp` shows who has it): %w", port, err)
		}
		if err := listener.Close(); err != nil {
			return fmt.Errorf("trying port %s: %w", port, err)
		}
	}
	return nil
}

// openDoors lets this machine's loopback lead into the cluster, and writes the
// settings that `build/scaleio-scheduler status` needs.
func openDoors(stand *cases.Stand) error {
	for _, port := range doors {
		if _, err := stand.Forward("127.0.0.1:"+port, nodes.Gateway+":"+port); err != nil {
			return err
		}
	}
	path, err := clientFile()
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(map[string]string{
		"url": schedulerURL, "caFile": stand.CAFile(), "tokenFile": stand.OperatorTokenFile(),
	})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing the client's settings: %w", err)
	}
	return nil
}

// closeDoors removes the settings if they are the demo's.
func closeDoors() error {
	path, err := clientFile()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the client's settings: %w", err)
	}
	var settings map[string]string
	if yaml.Unmarshal(data, &settings) != nil || filepath.Dir(filepath.Dir(settings["caFile"])) != filepath.Join(nodes.StateDir, name) {
		return nil // somebody else's
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing the client's settings: %w", err)
	}
	_ = os.Remove(filepath.Dir(path)) // unless something else is there
	return nil
}

func clientFile() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the directory for settings: %w", err)
	}
	return filepath.Join(dir, "scaleio-scheduler", "client.yaml"), nil
}
