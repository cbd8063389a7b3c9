package sdc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// Config is drv_cfg.txt: who this SDC is, and per system the MDM addresses it may ask.
type Config struct {
	GUID    string
	Systems [][]string
}

var (
	errUnknownMDM = errors.New("no system has that MDM address")
	errKnownMDM   = errors.New("that MDM address is configured already")
)

// ParseConfig reads `ini_guid UUID` and one `mdm ip,ip` line per system; keys in any case, as the product takes them.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			return c, fmt.Errorf("parsing drv_cfg line %d: %q isn't a key and a value", n, lines.Text())
		}
		switch strings.ToLower(fields[0]) {
		case "ini_guid":
			c.GUID = fields[1]
		case "mdm":
			c.Systems = append(c.Systems, splitIPs(fields[1]))
		}
	}
	if err := lines.Err(); err != nil {
		return c, fmt.Errorf("parsing drv_cfg: %w", err)
	}
	return c, nil
}

func readConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading drv_cfg: %w", err)
	}
	return ParseConfig(data)
}

func (c Config) save(path string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "ini_guid %s\n", c.GUID)
	for _, ips := range c.Systems {
		fmt.Fprintf(&b, "mdm %s\n", strings.Join(ips, ","))
	}
	if err := renameio.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("writing drv_cfg: %w", err)
	}
	return nil
}

// splitIPs takes an address once: the product prints its list as configured, but asks nobody twice.
func splitIPs(list string) []string {
	var ips []string
	for _, ip := range strings.Split(list, ",") {
		if ip = strings.TrimSpace(ip); ip != "" && !slices.Contains(ips, ip) {
			ips = append(ips, ip)
		}
	}
	return ips
}

func (c *Config) find(ip string) int {
	return slices.IndexFunc(c.Systems, func(ips []string) bool { return slices.Contains(ips, ip) })
}

// add is done when the same system is there already, so that it can be repeated.
func (c *Config) add(ips []string) error {
	if slices.ContainsFunc(c.Systems, func(have []string) bool { return slices.Equal(have, ips) }) {
		return nil
	}
	for _, ip := range ips {
		if c.find(ip) >= 0 {
			return fmt.Errorf("adding %s: %w", ip, errKnownMDM)
		}
	}
	c.Systems = append(c.Systems, ips)
	return nil
}

func (c *Config) modify(ip string, ips []string) error {
	at := c.find(ip)
	if at < 0 {
		return fmt.Errorf("changing %s: %w", ip, errUnknownMDM)
	}
	c.Systems[at] = ips
	return nil
}

func (c *Config) remove(ip string) error {
	at := c.find(ip)
	if at < 0 {
		return fmt.Errorf("removing %s: %w", ip, errUnknownMDM)
	}
	c.Systems = slices.Delete(c.Systems, at, at+1)
	return nil
}
