// Package machinetest is for tests that need more of the machine than Go. Only tests import it.
package machinetest
