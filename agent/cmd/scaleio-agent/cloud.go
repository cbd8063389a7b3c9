package main

import (
	"log/slog"
	"os"

	"scaleio-framework/agent"
	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/platform/aws"
)

var (
	_ agent.Cloud     = (*aws.Machine)(nil)
	_ installer.Cloud = cloud{}
)

// instanceFile keeps the instance as it was verified last.
const instanceFile = agent.StateDir + "/instance.json"

// cloud is this machine's, or none.
type cloud struct{ *aws.Machine }

// cloudOf this machine: decided from files and settings; nobody is asked.
func cloudOf(files *platform.Files, facts platform.Facts, log *slog.Logger) (cloud, error) {
	endpoint, err := agent.MetadataEndpoint(files, os.Getenv)
	if err != nil {
		return cloud{}, err
	}
	place := aws.Where("/", facts.Container)
	log.Info("cloud", "evidence", place.Evidence, "instance", place.EC2, "endpoint", endpoint)
	machine, err := aws.NewMachine(files, instanceFile, place, endpoint)
	return cloud{machine}, err
}

func (c cloud) asAgents() agent.Cloud {
	if c.Machine == nil {
		return nil
	}
	return c.Machine
}

func (c cloud) asInstallers() installer.Cloud {
	if c.Machine == nil {
		return nil
	}
	return c
}

// Volumes as the installer's steps want them.
func (c cloud) Volumes(by aws.Access) (installer.Volumes, error) { return c.Machine.Volumes(by), nil }
