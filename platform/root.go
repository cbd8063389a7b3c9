package platform

import "path/filepath"

// Root is the folder under which a machine's files lie: "/" in production, a folder of fixtures in tests. Absolute symbolic links are followed as the
// kernel does, out of a Root that isn't "/".
type Root string

// Path puts elements under the root.
func (r Root) Path(elem ...string) string {
	return filepath.Join(append([]string{string(r)}, elem...)...)
}
