package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func number(p *int, least, most int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if *p = n; err != nil || n < least || n > most {
			return fmt.Errorf("%q is no number from %d to %d", s, least, most)
		}
		return nil
	}
}

func factor(p *float64, least, most float64) func(string) error {
	return func(s string) error {
		f, err := strconv.ParseFloat(s, 64)
		if *p = f; err != nil || !(f >= least && f <= most) {
			return fmt.Errorf("%q is no number from %g to %g", s, least, most)
		}
		return nil
	}
}

func positive(p *time.Duration) func(string) error {
	return func(s string) error {
		if err := duration(p)(s); err != nil {
			return err
		}
		if *p <= 0 {
			return errors.New("it must be longer than nothing")
		}
		return nil
	}
}

// optional: an empty text leaves the zero value.
func optional(set func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return set(s)
	}
}

var moneyPattern = regexp.MustCompile(`^\$?(\d{1,9})(?:\.(\d{1,2}))?$`)

// dollars in cents: "500", "$99.50".
func dollars(p *int64) func(string) error {
	return optional(func(s string) error {
		m := moneyPattern.FindStringSubmatch(s)
		if m == nil {
			return fmt.Errorf("%q is no amount like 500 or 99.50", s)
		}
		f, err := strconv.ParseFloat(strings.TrimPrefix(s, "$"), 64)
		if *p = int64(math.Round(f * 100)); err != nil || *p == 0 {
			return fmt.Errorf("%q is no amount that anything could be bought for", s)
		}
		return nil
	})
}

func optionalURL(p *string) func(string) error {
	return func(s string) error {
		var all []string
		if err := urls(&all)(s); err != nil {
			return err
		}
		if len(all) > 1 {
			return errors.New("it is one URL")
		}
		*p = strings.Join(all, "")
		return nil
	}
}

// labels as EC2 takes them. Those that begin with our prefix identify a volume as ours, and "aws:" is Amazon's.
func labels(p *map[string]string) func(string) error {
	return func(s string) error {
		*p = nil
		for _, item := range list(s) {
			name, value, ok := strings.Cut(item, "=")
			if !ok || name == "" || len(name) > 128 || len(value) > 256 || strings.HasPrefix(name, "scaleio-framework/") || strings.HasPrefix(strings.ToLower(name), "aws:") {
				return fmt.Errorf("%q isn't of the form name=value, or its name is reserved", item)
			}
			if *p == nil {
				*p = map[string]string{}
			}
			(*p)[name] = value
		}
		if len(*p) > 40 {
			return errors.New("more than 40 tags")
		}
		if raw, err := json.Marshal(*p); err != nil || len(raw) > MaxTags {
			return fmt.Errorf("the tags are longer than %d bytes", MaxTags)
		}
		return nil
	}
}
