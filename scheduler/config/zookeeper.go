package config

import (
	"strings"

	"scaleio-framework/scheduler/zookeeper"
)

// zooKeeper is a place in an ensemble, or none.
func zooKeeper(p *string) func(string) error {
	return func(s string) error {
		if *p = strings.TrimSpace(s); *p == "" {
			return nil
		}
		_, _, err := zookeeper.ParseURL(*p)
		return err
	}
}

// masters are URLs, or one place in ZooKeeper where they register.
func masters(p *[]string) func(string) error {
	return func(s string) error {
		if !strings.HasPrefix(strings.TrimSpace(s), zookeeper.Scheme) {
			return urls(p)(s)
		}
		*p = []string{strings.TrimSpace(s)}
		_, _, err := zookeeper.ParseURL((*p)[0])
		return err
	}
}
