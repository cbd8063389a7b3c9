// Package serial runs commands in a virtual machine over a serial line: it needs no network, no driver beyond the kernel's own and no
// login. Each message is a line of JSON; one command runs at a time.
package serial
