// Fuzz runs every fuzz target of the repository for the same time: `make fuzz`. Go's own command runs one target of one package at a time.
package main
