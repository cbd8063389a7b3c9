package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // containers have none

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// Each of these gives a function that parses one text into its place. An empty text is the zero value, where that makes sense.

func text(p *string) func(string) error {
	return func(s string) error { *p = s; return nil }
}

func filled(p *string) func(string) error {
	return func(s string) error {
		if *p = s; s == "" {
			return errors.New("must not be empty")
		}
		return nil
	}
}

func secret(p *api.Secret) func(string) error {
	return func(s string) error { *p = api.NewSecret(s); return nil }
}

var wordPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func word(p *string) func(string) error {
	return func(s string) error {
		if *p = s; !wordPattern.MatchString(s) {
			return fmt.Errorf("%q must be letters, digits, dots, dashes and underscores", s)
		}
		return nil
	}
}

func productName(p *string) func(string) error {
	return func(s string) error {
		if *p = s; !wordPattern.MatchString(s) || len(s) > 31 || strings.Contains(s, ".") {
			return fmt.Errorf("%q must be at most 31 letters, digits, dashes and underscores", s)
		}
		return nil
	}
}

func boolean(p *bool) func(string) error {
	return func(s string) (err error) {
		if *p, err = strconv.ParseBool(s); err != nil {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		return nil
	}
}

func oneOf(p *string, allowed ...string) func(string) error {
	return func(s string) error {
		if *p = s; !slices.Contains(allowed, s) {
			return fmt.Errorf("%q is none of %s", s, strings.Join(allowed, ", "))
		}
		return nil
	}
}

func diskUse(p *api.DiskUse) func(string) error {
	return func(s string) error {
		return oneOf((*string)(p), string(api.DiskUseApprove), string(api.DiskUseMatch), string(api.DiskUseAllEmpty), string(api.DiskUseNone))(s)
	}
}

func list(s string) []string {
	var all []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

func listOf(p *[]string, allowed ...string) func(string) error {
	return func(s string) error {
		*p = list(s)
		for _, item := range *p {
			if !slices.Contains(allowed, item) {
				return fmt.Errorf("%q is none of %s", item, strings.Join(allowed, ", "))
			}
		}
		return nil
	}
}

func urls(p *[]string) func(string) error { return urlsOf(p, "http", "https") }

func httpsURLs(p *[]string) func(string) error { return urlsOf(p, "https") }

func urlsOf(p *[]string, schemes ...string) func(string) error {
	return func(s string) error {
		*p = nil
		for _, item := range list(s) {
			u, err := url.Parse(item)
			if strings.Contains(item, "@") {
				return errors.New("a password doesn't belong in a URL: it would be seen in logs and in Mesos' state") // nor in this text
			}
			if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
				return fmt.Errorf("%q is no URL of the kind %s://HOST:PORT", item, strings.Join(schemes, " or "))
			}
			*p = append(*p, strings.TrimRight(item, "/"))
		}
		return nil
	}
}

// mirror is one URL, to which paths are added. What comes from there has no digest in a manifest, so that TLS alone vouches for it.
func mirror(p *string) func(string) error {
	return func(s string) error {
		var all []string
		if err := httpsURLs(&all)(s); err != nil {
			return err
		}
		if len(all) > 1 {
			return errors.New("it is one URL")
		}
		*p = strings.Join(all, "")
		return nil
	}
}

// source of a file that Mesos fetches: everybody who reads Mesos' state sees it. Mesos knows more kinds than we do.
func source(p *string) func(string) error {
	return func(s string) error {
		*p = s
		if u, err := url.Parse(s); err != nil || u.User != nil {
			return errors.New("it can't be parsed, or carries a password, which would be seen in Mesos' state")
		}
		return nil
	}
}

func pairs(p *map[string]string) func(string) error {
	return func(s string) error {
		*p = map[string]string{}
		for _, item := range list(s) {
			name, pattern, ok := strings.Cut(item, "=")
			if _, err := path.Match(pattern, ""); !ok || name == "" || err != nil {
				return fmt.Errorf("%q isn't of the form attribute=glob", item)
			}
			(*p)[name] = pattern
		}
		return nil
	}
}

func glob(p *string) func(string) error {
	return func(s string) error {
		*p = s
		if _, err := path.Match(s, ""); err != nil {
			return fmt.Errorf("%q is no glob", s)
		}
		return nil
	}
}

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

func digest(p *string) func(string) error {
	return func(s string) error {
		if *p = strings.ToLower(s); s != "" && !digestPattern.MatchString(*p) {
			return fmt.Errorf("%q isn't 64 hexadecimal digits", s)
		}
		return nil
	}
}

var longDuration = regexp.MustCompile(`^(\d+)([dw])$`)

// duration as Go writes it, and days and weeks: "4w".
func duration(p *time.Duration) func(string) error {
	return func(s string) error {
		if m := longDuration.FindStringSubmatch(s); m != nil {
			n, err := strconv.Atoi(m[1])
			unit := map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
			if err != nil || n > 1000 {
				return fmt.Errorf("%q is too long", s)
			}
			*p = time.Duration(n) * unit
			return nil
		}
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is no duration like 90s, 10m, 4w", s)
		}
		*p = d
		return nil
	}
}

// window keeps the zone that zone set, whichever came first.
func window(w *decide.Window) func(string) error {
	return func(s string) (err error) {
		parsed, err := decide.ParseWindow(s)
		if err == nil {
			*w = parsed.In(w.Zone())
		}
		return err
	}
}

func zone(w *decide.Window) func(string) error {
	return func(s string) error {
		z, err := time.LoadLocation(s)
		if err != nil || s == "" || s == "Local" { // the scheduler may run on any host
			return fmt.Errorf("%q is no time zone like Europe/Berlin", s)
		}
		*w = w.In(z)
		return nil
	}
}

var sizePattern = regexp.MustCompile(`(?i)^(\d+) *([MGT])i?B?$`)

// size in the binary units that the product counts in.
func size(p *int64) func(string) error {
	return func(s string) error {
		m := sizePattern.FindStringSubmatch(s)
		if m == nil {
			return fmt.Errorf("%q is no size like 100GB", s)
		}
		n, err := strconv.ParseInt(m[1], 10, 32)
		if err != nil {
			return fmt.Errorf("%q is too large", s)
		}
		*p = n << map[string]int{"M": 20, "G": 30, "T": 40}[strings.ToUpper(m[2])]
		return nil
	}
}

var resourcePattern = regexp.MustCompile(`^([0-9.]+) *cpus?, *([0-9.]+) *MB$`)

func resources(p *Resources) func(string) error {
	return func(s string) error {
		m := resourcePattern.FindStringSubmatch(s)
		if m == nil {
			return fmt.Errorf(`%q isn't of the form "0.5 cpus, 1024 MB"`, s)
		}
		cpus, err1 := strconv.ParseFloat(m[1], 64)
		mem, err2 := strconv.ParseFloat(m[2], 64)
		if err := errors.Join(err1, err2); err != nil || cpus < 0.01 || mem < 32 {
			return fmt.Errorf("%q is less than 0.01 cpus and 32 MB, or no number", s)
		}
		*p = Resources{cpus, mem}
		return nil
	}
}
