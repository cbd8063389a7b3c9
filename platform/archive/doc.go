// Package archive unpacks tar files that were verified before, into folders of its own. It trusts their content no further than needed: nothing but files
// and folders, nothing outside the folder, nothing without bounds.
package archive
