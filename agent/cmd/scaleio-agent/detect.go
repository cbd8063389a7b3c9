package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"scaleio-framework/agent"
	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// minDiskBytes is the product's smallest device, 100 GB; a cluster may ask for more.
const minDiskBytes = 100_000_000_000

// Detected is what the agent sees on a machine without being part of a cluster.
type Detected struct {
	Platform  api.Platform `json:"platform"`
	Support   Support      `json:"support"`
	Kernel    Kernel       `json:"kernel"`
	Evidence  string       `json:"evidence"`
	MachineID string       `json:"machineId"`
	Cloud     string       `json:"cloud"` // who the machine is there, or why that isn't confirmed
	Addresses []string     `json:"addresses"`
	Disks     []api.Disk   `json:"disks"`
	MDM       *api.MDMView `json:"mdm,omitempty"`
	Intents   []api.Intent `json:"intents,omitempty"`
}

// Support is what this version would make of the machine.
type Support struct {
	Client           bool   `json:"client"`
	Storage          bool   `json:"storage"`
	AllowUnsupported bool   `json:"allowUnsupported"` // it would carry more with allow-unsupported
	Why              string `json:"why,omitempty"`
}

// Kernel is what it asks of a module, and SELinux of a program.
type Kernel struct {
	SecureBoot      string `json:"secureBoot"`
	Lockdown        string `json:"lockdown,omitempty"`
	SigEnforce      bool   `json:"sigEnforce"`
	ModulesDisabled bool   `json:"modulesDisabled"`
	SELinux         string `json:"selinux,omitempty"`
}

func detectCommand() *cobra.Command {
	var asJSON bool
	var allow []string
	cmd := &cobra.Command{
		Use:   "detect",
		Short: "Show what the agent sees on this machine; changes nothing",
		Long:  "detect shows platform, addresses and every disk with the reasons for which it would be refused. It only reads; without root some disks can't be read and are refused for that.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			seen, err := detect(cmd.Context(), allow)
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(os.Stdout)
				encoder.SetIndent("", "  ")
				return encoder.Encode(seen)
			}
			return showDetected(os.Stdout, seen)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for machines")
	cmd.Flags().StringSliceVar(&allow, "allow-types", nil, "types of disks that are refused unless named: loop, dm")
	return cmd
}

func detect(ctx context.Context, allow []string) (Detected, error) {
	facts, err := platform.ReadFacts("/", platform.SystemEnv())
	if err != nil {
		return Detected{}, err
	}
	quiet := slog.New(slog.DiscardHandler)
	looker := installer.New(system(facts, quiet, nil), installer.Options{Log: quiet})
	spec := api.NodeSpec{Node: facts.MachineID, Disks: api.DiskPolicy{Use: api.DiskUseAllEmpty, AllowTypes: allow, MinSizeBytes: minDiskBytes}}
	seen := looker.Observe(ctx, installer.Input{Spec: spec, Leases: noLeases{}})
	all := detected(facts, seen)
	all.Cloud, err = detectedCloud(ctx, facts)
	return all, err
}

// detectedCloud asks the metadata service, where there is one to ask, and keeps nothing.
func detectedCloud(ctx context.Context, facts platform.Facts) (string, error) {
	endpoint, err := agent.MetadataEndpoint(platform.NewFiles("/"), os.Getenv)
	if err != nil {
		return "", &codedError{exitUsage, err}
	}
	place := aws.Where("/", facts.Container)
	metadata := aws.NewMetadata(place, endpoint)
	if metadata == nil {
		return "none (" + place.Evidence + ")", nil
	}
	instance, err := metadata.Look(ctx)
	if err != nil {
		return "EC2 (" + place.Evidence + "), not confirmed: " + err.Error(), nil
	}
	return fmt.Sprintf("EC2 instance %s, %s in %s", instance.ID, instance.Type, instance.Zone), nil
}

func detected(facts platform.Facts, seen installer.Observation) Detected {
	is, allowed := installer.SupportedPlatform(facts, false), installer.SupportedPlatform(facts, true)
	seen.Platform.Reason = is.Why // as reported it repeats the evidence
	return Detected{
		Platform: seen.Platform, Evidence: facts.Evidence, MachineID: facts.MachineID, Addresses: seen.Addresses, Disks: seen.Disks, MDM: seen.MDM, Intents: seen.Intents,
		Support: Support{Client: is.Client, Storage: is.Storage, AllowUnsupported: is != allowed, Why: is.Why},
		Kernel: Kernel{SecureBoot: facts.SecureBoot, Lockdown: facts.Lockdown, SigEnforce: facts.SigEnforce, ModulesDisabled: facts.ModulesDisabled,
			SELinux: facts.SELinux},
	}
}

// verdict in words.
func (s Support) verdict() string {
	words := "no: " + s.Why
	switch {
	case s.Storage:
		words = "client and storage"
	case s.Client:
		words = "client only"
	}
	if s.AllowUnsupported && s.Client {
		words += "; storage with allow-unsupported"
	}
	return words
}

func (k Kernel) String() string {
	words := "Secure Boot " + k.SecureBoot
	if k.Lockdown != "" {
		words += ", lockdown " + k.Lockdown
	}
	if k.SigEnforce {
		words += ", signatures enforced"
	}
	if k.ModulesDisabled {
		words += ", no module is loaded before the next boot"
	}
	if k.SELinux != "" {
		words += ", SELinux " + k.SELinux
	}
	return words
}

func showDetected(w io.Writer, seen Detected) error {
	fmt.Fprintf(w, "platform   %s, kernel %s, %s\n", seen.Platform.Pretty, seen.Platform.Kernel, seen.Platform.Arch)
	fmt.Fprintf(w, "supported  %s\n", plain(seen.Support.verdict()))
	fmt.Fprintf(w, "modules    %s\n", seen.Kernel)
	fmt.Fprintf(w, "evidence   %s\n", plain(seen.Evidence))
	fmt.Fprintf(w, "machine    %s, addresses %v\n", seen.MachineID, seen.Addresses)
	fmt.Fprintf(w, "cloud      %s\n", plain(seen.Cloud))
	if seen.MDM != nil && seen.MDM.Installed {
		fmt.Fprintf(w, "mdm        in a cluster: %t %s, master: %t\n", seen.MDM.InCluster, seen.MDM.SystemID, seen.MDM.Master)
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, d := range seen.Disks {
		fmt.Fprintf(table, "%s\t%d GB\t%s\t%s\t%s\t%s\n", d.Path, d.SizeBytes/1e9, d.State, d.Reason, plain(d.ID), plain(d.Message))
	}
	return table.Flush()
}
