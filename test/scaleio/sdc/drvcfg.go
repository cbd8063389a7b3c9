package sdc

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// DefaultConfigPath is where the 3.x packages keep the SDC's configuration.
const DefaultConfigPath = "/etc/emc/scaleio/drv_cfg.txt"

const drvCfgUsage = `Usage: drv_cfg [OPTIONS] (stand-in for the ScaleIO tool, for tests and demonstrations)
    --query_guid                                          print the GUID of this SDC
    --query_mdms | --query_mdm                            print the systems and their MDMs
    --query_vols                                          print the mapped volumes
    --query_version                                       print the version of the driver
    --rescan                                              look for newly mapped volumes
    --add_mdm --ip IP[,IP] [--file FILE]                  add a system
    --mod_mdm_ip --ip IP --new_mdm_ip IP[,IP] [--file F]  change the MDM addresses of the system that has IP
    --remove_mdm --ip IP [--file FILE]                    remove a system
`

// MainDrvCfg is the drv_cfg tool; args are those after the program's name.
func MainDrvCfg(args []string) int {
	dev := "/dev"
	if d := os.Getenv("SCINI_DEV"); d != "" { // tests
		dev = d
	}
	return drvCfg(args, ControlPath(dev), os.Stdout, os.Stderr)
}

// drvCfg writes usage to stderr when it is called without a command: callers probe it there for what this version can do.
func drvCfg(args []string, node string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("drv_cfg", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, drvCfgUsage) }
	commands := []string{"query_guid", "query_mdms", "query_mdm", "query_vols", "query_version", "rescan", "add_mdm", "mod_mdm_ip", "remove_mdm"}
	given := map[string]*bool{}
	for _, c := range commands {
		given[c] = flags.Bool(c, false, "")
	}
	ip := flags.String("ip", "", "")
	newIPs := flags.String("new_mdm_ip", "", "")
	file := flags.String("file", "", "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 1
	}
	command := ""
	for _, c := range commands {
		if !*given[c] {
			continue
		}
		if command != "" {
			fmt.Fprintf(stderr, "ERROR: --%s and --%s can't be given together\n", command, c)
			return 1
		}
		command = c
	}
	if command == "" || flags.NArg() > 0 {
		flags.Usage()
		return 1
	}
	if err := perform(command, node, *ip, *newIPs, *file, stdout); err != nil {
		fmt.Fprintf(stderr, "ERROR: %v\n", err)
		return 1
	}
	return 0
}

func perform(command, node, ip, newIPs, file string, stdout io.Writer) error {
	req := controlRequest{IP: ip}
	var edit func(*Config) error
	switch command {
	case "query_guid":
		req.Op = "query-guid"
	case "query_mdms", "query_mdm":
		req.Op = "query-mdms"
	case "query_vols":
		req.Op = "query-vols"
	case "query_version":
		req.Op = "query-version"
	case "rescan":
		req.Op = "rescan"
	case "add_mdm":
		req.Op, req.IPs = "add-mdm", splitIPs(ip)
		edit = func(c *Config) error { return c.add(req.IPs) }
	case "mod_mdm_ip":
		req.Op, req.IPs = "mod-mdm-ip", splitIPs(newIPs)
		edit = func(c *Config) error { return c.modify(ip, req.IPs) }
		if len(req.IPs) == 0 {
			return errors.New("--new_mdm_ip is missing")
		}
	case "remove_mdm":
		req.Op = "remove-mdm"
		edit = func(c *Config) error { return c.remove(ip) }
	}
	if edit != nil && ip == "" {
		return errors.New("--ip is missing")
	}
	text, err := control(node, req)
	if err != nil {
		return err
	}
	fmt.Fprint(stdout, text)
	if edit == nil || file == "" {
		return nil
	}
	c, err := readConfig(file)
	if err != nil {
		return err
	}
	if err := edit(&c); err != nil {
		return err
	}
	return c.save(file)
}
