// Package kmod reads kernel modules: what a file is made for and whether it is signed, what is loaded and in use, which kernel the next boot takes, and
// why a module was refused. It loads nothing: insmod is a job of PID 1, since the agent has no right to.
package kmod
