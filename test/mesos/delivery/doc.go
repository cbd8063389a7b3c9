// Package delivery sends the status updates of tasks as a Mesos agent does:
// one at a time per task, the same one again after 10, 20, 40 s ... until the
// scheduler has acknowledged it. Simulated agents inside the dev master and
// the dev agent share it. Used by test/mesos only.
package delivery
