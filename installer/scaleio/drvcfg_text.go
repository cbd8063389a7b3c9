package scaleio

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
)

// DrvCfgText is drv_cfg.txt: who this SDC is, and which systems it asks.
type DrvCfgText struct {
	GUID  string
	lines []string // as they stand, "" for the one of the GUID
}

// ParseDrvCfgText reads it: "ini_guid UUID" and one "mdm ip,ip" per system.
func ParseDrvCfgText(data []byte) (DrvCfgText, error) {
	var d DrvCfgText
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || !strings.EqualFold(fields[0], "ini_guid") {
			if len(fields) > 0 {
				d.lines = append(d.lines, lines.Text())
			}
			continue
		}
		if len(fields) != 2 || d.GUID != "" {
			return DrvCfgText{}, fmt.Errorf("reading drv_cfg.txt: %q isn't one GUID", lines.Text())
		}
		d.GUID = strings.ToUpper(fields[1])
		d.lines = append(d.lines, "")
	}
	if err := lines.Err(); err != nil {
		return DrvCfgText{}, fmt.Errorf("reading drv_cfg.txt: %w", err)
	}
	return d, nil
}

// Addresses of the MDMs of all systems.
func (d DrvCfgText) Addresses() (ips []string) {
	for _, l := range d.lines {
		fields := strings.Fields(l)
		if len(fields) != 2 || !strings.EqualFold(fields[0], "mdm") {
			continue
		}
		for _, ip := range strings.Split(fields[1], ",") {
			if ip = strings.TrimSpace(ip); ip != "" {
				ips = append(ips, ip)
			}
		}
	}
	return ips
}

// WithGUID is the same with another GUID.
func (d DrvCfgText) WithGUID(guid string) DrvCfgText {
	if d.GUID == "" {
		d.lines = append([]string{""}, d.lines...)
	}
	d.GUID = strings.ToUpper(guid)
	return d
}

// Text is the whole file.
func (d DrvCfgText) Text() []byte {
	var b bytes.Buffer
	for _, l := range d.lines {
		if l == "" {
			l = "ini_guid " + d.GUID
		}
		b.WriteString(l + "\n")
	}
	return b.Bytes()
}
