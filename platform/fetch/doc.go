// Package fetch downloads one file, resumably, and hands it over only when size and SHA-256 are as wanted.
package fetch
