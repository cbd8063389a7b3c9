// Package systemdtest holds a fake PID 1 that keeps state: units that were started stay active, enabled ones come back after Reboot, jobs are counted and
// adopted. Only tests import it.
package systemdtest
