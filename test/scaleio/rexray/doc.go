// Package rexray is a stand-in for REX-Ray 0.11 with its ScaleIO driver: the same command lines, configuration file and Docker volume
// plugin sockets. It creates, maps, formats and mounts volumes through the ScaleIO gateway and the SDC of its node.
package rexray
