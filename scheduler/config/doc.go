// Package config is the scheduler's configuration: one YAML file, every key also a flag and an environment variable. A flag wins over the
// environment, that over the file, that over the default. All faults are reported at once, each with its key. The reference in the README is
// made from the same table.
package config
