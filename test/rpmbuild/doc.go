// Package rpmbuild makes .rpm files for tests with the real rpmbuild, and signs them with a key made for the purpose. Debian's package rpm has all it needs.
package rpmbuild
