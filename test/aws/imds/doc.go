// Package imds is a stand-in for the instance metadata service of the instances of a stand-in cloud (package aws): version 2 only, with each of the failures that instances meet in
// the field. It tells callers apart by their address, or serves one instance whoever calls (For).
package imds
