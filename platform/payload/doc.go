// Package payload installs packages where no package tool is: systems with a read-only /usr, which are replaced as a whole by their updates. It unpacks a
// verified .rpm to the places that last (/opt, /etc, /var), puts what has to be under /usr into a systemd system extension, does what the package's scripts
// would have done by a recipe of its caller, and keeps a record of every file. It runs nothing that is in the package.
package payload
