package agent

import (
	"errors"
	"path"
)

// commandLinks are where a person's shell finds the command; the second is for systems whose /usr is read-only: Flatcar has /opt/bin in its PATH.
var commandLinks = []string{"/usr/local/bin/scaleio-agent", "/opt/bin/scaleio-agent"}

// linkCommand lets people on the node type `scaleio-agent status`. A file that isn't our link is theirs and stays; without a link all else works.
func (p *Placer) linkCommand() {
	target := path.Join(InstallDir, "current", "scaleio-agent")
	var failed error
	for _, link := range commandLinks {
		have, err := p.Files.Readlink(link)
		if err == nil && have == target {
			return
		}
		if _, _, absent := p.Files.Stat(link); err != nil && absent == nil {
			p.Log.Info("the command isn't linked: another file is there", "path", link)
			return
		}
		if err = p.Files.MkdirAll(path.Dir(link), 0o755); err == nil {
			err = p.Files.Symlink(target, link)
		}
		if err == nil {
			return
		}
		failed = errors.Join(failed, err)
	}
	p.Log.Info("the command isn't linked", "err", failed)
}
