// Package pkgmgr drives a distribution's package tools: it says what is installed, installs verified files with an environment for their scripts, and mends
// what an interrupted run left. Transactions run as jobs outside this process, so that its end never leaves a package half-configured.
package pkgmgr
